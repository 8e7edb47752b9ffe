/**
 * The data types of RFC 4251 section 5, which SSH's messages and SFTP's packets are made of. Pure.
 *
 * Trusts nothing: a length that reaches past the end throws {@link Malformed} before anything is copied or allocated.
 */

/** The bytes are not what their type says. */
export class Malformed extends Error {
  constructor(what: string) {
    super(`malformed: ${what}`)
    this.name = 'Malformed'
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads fields in order. What it returns are views: copy what outlives the message. */
export class Reader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  get at(): number {
    return this.#at
  }
  get left(): number {
    return this.#bytes.length - this.#at
  }

  #take(size: number, what: string): number {
    if (size > this.left) throw new Malformed(what)
    const from = this.#at
    this.#at += size
    return from
  }

  byte(): number {
    return this.#bytes.readUInt8(this.#take(1, 'byte'))
  }
  bool(): boolean {
    return this.byte() !== 0
  }
  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4, 'uint32'))
  }
  u64(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8, 'uint64'))
  }
  /** A length-prefixed string, as bytes. */
  bytes(): Buffer {
    const size = this.u32()
    const from = this.#take(size, 'string')
    return this.#bytes.subarray(from, from + size)
  }
  /** A length-prefixed string that must be UTF-8: what is judged as text must be the bytes that are sent. */
  text(): string {
    try {
      return strict.decode(this.bytes())
    } catch (error) {
      if (error instanceof Malformed) throw error
      throw new Malformed('text is not UTF-8')
    }
  }
  rest(): Buffer {
    return this.#bytes.subarray(this.#at)
  }
  /** Nothing may follow. */
  end(): void {
    if (this.left !== 0) throw new Malformed('bytes after the last field')
  }
}

/** A number is a uint32, a bigint a uint64, a boolean one byte, text and bytes a string with its length; `raw` stays as it is. */
export type Field = number | bigint | boolean | string | Uint8Array | { readonly raw: Uint8Array }

/** A message of one type byte and its fields. */
export function message(type: number, ...fields: readonly Field[]): Buffer {
  let size = 1
  for (const field of fields) size += sizeOf(field)
  const out = Buffer.allocUnsafe(size)
  out[0] = type
  let at = 1
  for (const field of fields) at = put(out, at, field)
  return out
}

function sizeOf(field: Field): number {
  if (typeof field === 'boolean') return 1
  if (typeof field === 'number') return 4
  if (typeof field === 'bigint') return 8
  if (typeof field === 'string') return 4 + Buffer.byteLength(field)
  return field instanceof Uint8Array ? 4 + field.length : field.raw.length
}

function put(out: Buffer, at: number, field: Field): number {
  if (typeof field === 'boolean') return out.writeUInt8(field ? 1 : 0, at)
  if (typeof field === 'number') return out.writeUInt32BE(field, at)
  if (typeof field === 'bigint') return out.writeBigUInt64BE(field, at)
  if (typeof field === 'string') {
    const size = Buffer.byteLength(field)
    out.write(field, out.writeUInt32BE(size, at))
    return at + 4 + size
  }
  const prefixed = field instanceof Uint8Array
  const bytes = prefixed ? field : field.raw
  const from = prefixed ? out.writeUInt32BE(bytes.length, at) : at
  out.set(bytes, from)
  return from + bytes.length
}
