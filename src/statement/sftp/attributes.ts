/**
 * What an sftp request says besides its paths: how a file is opened, and the attributes that it sets (ATTRS of version 3).
 * Pure; for the recording, in which a file made setuid must not look like any other.
 */
import { Malformed, Reader } from './fields.ts'
import { type Misread, type Operation, openFlags, readOperation } from './operation.ts'
import { fxp } from './packet.ts'

export interface Detail {
  readonly act: 'open' | 'set'
  readonly on: string
}

export interface Detailed extends Operation {
  readonly details?: readonly Detail[]
}

const bits = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 }
const known = bits.size | bits.owner | bits.mode | bits.times | bits.extended

const none: readonly Detail[] = []

/** A path or handle, then attributes. */
const setting: ReadonlySet<number | undefined> = new Set([fxp.setstat, fxp.fsetstat, fxp.mkdir])

/** {@link readOperation}, and what it sets. What cannot be read cannot be recorded, and is misread. */
export function readDetailed(body: Buffer): Detailed | Misread {
  const operation = readOperation(body)
  if ('misread' in operation) return operation
  try {
    const details = detailsOf(body, operation)
    return details.length === 0 ? operation : { ...operation, details }
  } catch (error) {
    if (error instanceof Malformed) return { id: operation.id, misread: error.message }
    throw error
  }
}

function detailsOf(body: Buffer, { name, flags }: Operation): readonly Detail[] {
  const extended = name === 'lsetstat@openssh.com'
  if (flags === undefined && !extended && !setting.has(body[0])) return none
  const fields = new Reader(body, 5)
  if (flags !== undefined) {
    fields.bytes()
    fields.u32()
    const opened = flags === openFlags.read ? [] : [{ act: 'open', on: flagText(flags) } as const]
    return [...opened, ...attributes(fields)]
  }
  if (extended) fields.bytes()
  fields.bytes()
  return attributes(fields)
}

function flagText(flags: number): string {
  const names = Object.entries(openFlags).filter(([, bit]) => (flags & bit) !== 0)
  const rest = names.reduce((left, [, bit]) => left & ~bit, flags) >>> 0
  return [...names.map(([name]) => name), ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])].join(',')
}

function attributes(fields: Reader): readonly Detail[] {
  const flags = fields.u32()
  const set: string[] = []
  if ((flags & bits.size) !== 0) set.push(`size=${fields.u64()}`)
  if ((flags & bits.owner) !== 0) set.push(`uid=${fields.u32()}`, `gid=${fields.u32()}`)
  if ((flags & bits.mode) !== 0) set.push(`mode=${fields.u32().toString(8)}`)
  if ((flags & bits.times) !== 0) set.push(`atime=${fields.u32()}`, `mtime=${fields.u32()}`)
  // Nobody knows any of these, and OpenSSH reads over them.
  if ((flags & bits.extended) !== 0) set.push(`extended=${fields.u32()}`)
  const rest = (flags & ~known) >>> 0
  if (rest !== 0) set.push(`flags=0x${rest.toString(16)}`)
  return set.map(on => ({ act: 'set', on }))
}
