/**
 * What leaves of masked columns by COPY TO STDOUT. The server sends a row a message and no origins with it: which fields are masked
 * the guard has found, and a row that has more or fewer of them, or is not written as the statement says, ends the session. Pure.
 */
import type { CopiedOut } from '../../statement/sql/analysis.ts'
import { type Fields, fieldsOf, miscounted, NEWLINE } from './copy-rows.ts'
import { type Form, formOf, type MaskedColumns } from './mask.ts'
import { foundIn, type Owed } from './owed.ts'
import { COPY_DATA, dataRow, encodeRow, frame, Violation } from './wire.ts'

/** The server's signature, which stands before the first row of a binary COPY. */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')
const NOTHING = new Uint8Array(0)
const END = 2

/** Of the statement that is being answered; null where nothing of it is masked. `payload` is the CopyOutResponse's. */
export function copyOutOf(head: Owed, masks: MaskedColumns, payload: Buffer): CopyOut | null {
  const copied = foundIn(head, verdict => verdict.copied)
  if (copied === undefined) return null
  const binary = payload[0] === 1
  if (binary !== (copied.format === 'binary') || payload.readUInt16BE(1) !== copied.columns.length)
    throw new Violation('the target copies out something else than was asked for')
  return new CopyOut(copied, masks)
}

export class CopyOut {
  readonly #forms: readonly (Form | null)[]
  readonly #fields: Fields | null
  #first = true
  readonly #header: boolean

  constructor({ columns, ...form }: CopiedOut, masks: MaskedColumns) {
    const named = new Map([...masks.values()].map(mask => [mask.column, mask]))
    this.#forms = columns.map(column => {
      if (column === null) return null
      const mask = named.get(column)
      return mask?.textual === true ? formOf(mask) : () => null
    })
    this.#fields = form.format === 'binary' ? null : fieldsOf(form)
    this.#header = form.header
  }

  /** One message's content, masked, as a new message; and whether it is a row that counts. */
  row(payload: Buffer): { readonly masked: Buffer; readonly counts: boolean } {
    const first = this.#first
    this.#first = false
    if (this.#fields === null) return this.#binary(payload, first)
    if (first && this.#header) return { masked: frame(COPY_DATA, payload), counts: true }
    return { masked: frame(COPY_DATA, ...this.#line(payload, this.#fields)), counts: true }
  }

  /** The fields that nobody masks go as they are. */
  #line(payload: Buffer, { delimiter, split, value, field }: Fields): readonly Uint8Array[] {
    const fields = split(payload, this.#forms.length)
    const pieces = fields.flatMap((written, i) => {
      const form = this.#forms[i]
      const shown = form ? value(written) : null
      return [i === 0 ? NOTHING : delimiter, form && shown !== null ? field(form(shown)) : written]
    })
    return [...pieces, NEWLINE]
  }

  #binary(payload: Buffer, first: boolean): { readonly masked: Buffer; readonly counts: boolean } {
    const start = first ? afterSignature(payload) : 0
    const head = payload.subarray(0, start)
    const row = payload.subarray(start)
    const ends = row.length === END && row.readInt16BE(0) === -1
    if (ends || row.length === 0) return { masked: frame(COPY_DATA, payload), counts: false }
    const fields = dataRow(row)
    if (fields.length !== this.#forms.length) throw miscounted()
    const values = fields.map((value, i) => {
      const form = this.#forms[i]
      return value === null || !form ? value : form(value)
    })
    const masked = encodeRow(values).subarray(5)
    return { masked: frame(COPY_DATA, head, masked), counts: true }
  }
}

/** The signature, the flags, and the length of an extension that nobody has defined. */
function afterSignature(payload: Buffer): number {
  const end = SIGNATURE.length + 8
  if (payload.length < end || !payload.subarray(0, SIGNATURE.length).equals(SIGNATURE))
    throw new Violation('a binary COPY begins with something else')
  if (payload.readInt32BE(SIGNATURE.length) !== 0 || payload.readInt32BE(end - 4) !== 0)
    throw new Violation('a binary COPY has something before its rows')
  return end
}
