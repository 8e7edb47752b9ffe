/**
 * The first line of each side (RFC 4253 section 4.2): `SSH-2.0-...`, at most 255 bytes, printable. A server may say other
 * things before it, a client may not: a PROXY line or an HTTP request ends here (attack 127).
 */
import { Malformed } from '../../statement/sftp/fields.ts'

const maxLineBytes = 255
const maxLines = 20
const own = 'SSH-2.0-Postern'

export const ident = Buffer.from(own)
export const identLine = Buffer.from(`${own}\r\n`)

export class IdentReader {
  readonly #linesBefore: number
  #held = Buffer.alloc(0)
  #lines = 0

  constructor(of: 'client' | 'server') {
    this.#linesBefore = of === 'server' ? maxLines : 0
  }

  /** The identification without its line end, and what came after it; nothing until it is whole. */
  push(chunk: Buffer): { readonly ident: Buffer; readonly rest: Buffer } | undefined {
    let rest = Buffer.concat([this.#held, chunk])
    for (;;) {
      const end = rest.indexOf(0x0a)
      if ((end < 0 ? rest.length : end + 1) > maxLineBytes) throw new Malformed('identification')
      if (end < 0) {
        this.#held = rest
        return undefined
      }
      const line = rest.subarray(0, rest[end - 1] === 0x0d ? end - 1 : end)
      rest = rest.subarray(end + 1)
      if (line.subarray(0, 4).toString('latin1') === 'SSH-') return { ident: checked(line), rest }
      if (++this.#lines > this.#linesBefore) throw new Malformed('identification')
    }
  }
}

function checked(line: Buffer): Buffer {
  if (!/^SSH-2\.0-[\x20-\x7e]+$/.test(line.toString('latin1'))) throw new Malformed('identification')
  return Buffer.from(line)
}
