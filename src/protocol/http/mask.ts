/**
 * What leaves of masked members of a JSON answer. The answer is read whole, and written anew from what was read, so
 * nothing is let through that was not looked at; what is not JSON is refused (DESIGN.md, deny by default). Pure.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, type Refused, refuse } from '../../denial.ts'
import { type JsonPath, readJsonPath, replaceAt } from '../../statement/http/json-path.ts'
import { type MaskWith, partial, stronger } from '../../statement/mask.ts'
import { heldWhole, writtenAnew } from './held.ts'
import type { Filter } from './scrub.ts'

export interface Mask {
  readonly path: string
  readonly with: MaskWith
}

/** Both sides' paths; one that both name gets the stronger mask. */
export function meetMasks(ours: readonly Mask[], theirs: readonly Mask[]): readonly Mask[] {
  const met = new Map<string, Mask>()
  for (const mask of [...ours, ...theirs]) {
    const other = met.get(mask.path) ?? mask
    met.set(mask.path, { path: mask.path, with: stronger(mask.with, other.with) })
  }
  return [...met.values()]
}

const json = /^application\/(?:json|[a-z0-9.+-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** For one answer: how its bytes leave, or why it cannot. */
export function maskAnswer(
  masks: readonly Mask[],
  status: number,
  { 'content-type': type, 'content-length': length }: IncomingHttpHeaders,
): Filter | Refused {
  if (status === 204 || status === 304 || length === '0') return empty
  if (!json.test(type ?? '')) return unmaskable(`it is ${type?.slice(0, 64) ?? 'of no type'} and not JSON`)
  if (status === 206) return unmaskable('it is a part of a whole')
  return heldWhole(bytes => masked(bytes, masks), unmaskable)
}

const empty: Filter = {
  push() {
    throw new GatewayError(unmaskable('it has a body where there is none').denial, undefined)
  },
  end: () => Buffer.alloc(0),
}

function masked(bytes: Buffer, masks: readonly Mask[]): Buffer {
  return writtenAnew(
    bytes,
    value => {
      // `$` itself has no path: a value alone is never a member.
      for (const { path, with: form } of masks)
        replaceAt(value, pathOf(path), found => maskedValue(found, form, path))
      return value
    },
    unmaskable,
  )
}

const paths = new Map<string, JsonPath>()
const mostPaths = 1024

function pathOf(text: string): JsonPath {
  const known = paths.get(text)
  if (known !== undefined) return known
  const read = readJsonPath(text)
  if ('problem' in read) throw new TypeError('a path that no schema let in')
  if (paths.size >= mostPaths) paths.clear()
  paths.set(text, read)
  return read
}

/**
 * Equal values of a path look equal within one run of the gateway. Those of another path do not, or a value could be tried by
 * writing it where the scope masks nothing and asking for `hash` there.
 */
const key = randomBytes(32)

/** What has no text to mask becomes null, and all that is below it goes with it. */
function maskedValue(found: unknown, form: MaskWith, path: string): unknown {
  if (typeof found !== 'string') return null
  if (form === 'full') return '***'
  if (form === 'blank') return ''
  if (form === 'hash') {
    const own = createHmac('sha256', key).update(path).digest()
    return createHmac('sha256', own).update(found).digest('hex').slice(0, 32)
  }
  return partial(found)
}

function unmaskable(why: string): Refused {
  const say = `parts of this answer are masked, and it cannot be looked into: ${why}`
  return refuse('upstream_refused', say, { say, facts: { status: 502 } })
}
