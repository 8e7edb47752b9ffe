/** sftp's ATTRS and answers, as far as scp needs them. Pure. */
import { message, Reader } from '../../statement/sftp/fields.ts'
import { fxp, fxStatus } from '../../statement/sftp/packet.ts'
import { statusOf } from './sftp-answers.ts'

export interface Attributes {
  readonly size: number
  readonly permissions: number
  readonly accessed: number
  readonly modified: number
}

const has = { size: 1, owner: 2, permissions: 4, times: 8 }

export const noAttributes = { raw: Buffer.alloc(4) }

/** Of an answer to STAT; nothing where it is a refusal. */
export function attributes(answer: Buffer): Attributes | undefined {
  if (answer[0] !== fxp.attrs) return undefined
  const fields = new Reader(answer, 5)
  const flags = fields.u32()
  const size = (flags & has.size) === 0 ? 0n : fields.u64()
  if ((flags & has.owner) !== 0) fields.u64()
  const permissions = (flags & has.permissions) === 0 ? 0o644 : fields.u32()
  const [accessed, modified] = (flags & has.times) === 0 ? [0, 0] : [fields.u32(), fields.u32()]
  return { size: Number(size), permissions, accessed, modified }
}

export function isFolder(about: Attributes | undefined): boolean {
  return about !== undefined && (about.permissions & 0o170000) === 0o040000
}

export function modeAttributes(
  mode: number,
  times?: { readonly accessed: number; readonly modified: number },
): { readonly raw: Buffer } {
  const permissions = has.permissions
  if (times === undefined) return { raw: message(0, permissions, mode).subarray(1) }
  return { raw: message(0, permissions | has.times, mode, times.accessed, times.modified).subarray(1) }
}

export function handleOf(answer: Buffer): Buffer | undefined {
  return answer[0] === fxp.handle ? new Reader(answer, 5).bytes() : undefined
}

/** Names of a READDIR; nothing at its end. */
export function namesOf(answer: Buffer): readonly string[] | undefined {
  if (answer[0] !== fxp.name) return undefined
  const fields = new Reader(answer, 5)
  const names: string[] = []
  for (let left = fields.u32(); left > 0; left--) {
    names.push(fields.bytes().toString('utf8'))
    fields.bytes()
    const flags = fields.u32()
    for (const [bit, bytes] of [
      [has.size, 8],
      [has.owner, 8],
      [has.permissions, 4],
      [has.times, 8],
    ] as const)
      if ((flags & bit) !== 0) for (let i = 0; i < bytes; i += 4) fields.u32()
    if ((flags & 0x8000_0000) !== 0)
      for (let more = fields.u32(); more > 0; more--) {
        fields.bytes()
        fields.bytes()
      }
  }
  return names
}

const words: Readonly<Record<number, string>> = { 2: 'no such file or directory', 3: 'permission denied' }

/** In words; nothing where all went well. */
export function failure(answer: Buffer): string | undefined {
  const status = statusOf(answer)
  if (status === undefined || status === fxStatus.ok) return undefined
  const said = new Reader(answer, 9).bytes().toString('utf8')
  return said.startsWith('postern: ') ? said : (words[status] ?? `failure ${status}`)
}
