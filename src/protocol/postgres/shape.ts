/**
 * What the server said last of a result: its columns and its tag. Most results in a row say the same, so bytes are compared
 * before they are read, one by one where they are few: that costs less than a call out of JavaScript.
 */
import { type MaskedColumns, type MaskPlan, planMask } from './mask.ts'
import { foundIn, type Owed } from './owed.ts'
import { rowDescription, Violation } from './wire.ts'

/** What a RowDescription says. */
export interface Shape {
  readonly columns: readonly string[]
  readonly plan: MaskPlan | null
  /** Columns that are masked. */
  readonly masked: number
}

export class LastShape {
  readonly #masks: MaskedColumns
  #bytes: Buffer | null = null
  #shape: Shape | null = null
  #tag = ''

  constructor(masks: MaskedColumns) {
    this.#masks = masks
  }

  /**
   * Of a RowDescription's payload. Throws a Violation where it lies about itself, and where the server tells of fewer masked
   * columns than the guard found in the statement: what it gives no origin, or that of a table made anew, would pass as it is.
   */
  shapeOf(bytes: Buffer, from: number, to: number, of: Owed): Shape {
    const shape = this.#known(bytes, from, to)
    if (shape.masked < (foundIn(of, verdict => verdict.shown) ?? 0))
      throw new Violation('the target does not tell a masked column by its origin')
    return shape
  }

  #known(bytes: Buffer, from: number, to: number): Shape {
    if (this.#shape !== null && this.#bytes !== null && isSame(this.#bytes, bytes, from, to))
      return this.#shape
    const own = Buffer.from(bytes.subarray(from, to))
    const fields = rowDescription(own)
    const plan = this.#masks.size > 0 ? planMask(fields, this.#masks) : null
    this.#bytes = own
    const masked = plan?.reduce((sum, form) => sum + (form === null ? 0 : 1), 0) ?? 0
    this.#shape = { columns: fields.map(field => field.name), plan, masked }
    return this.#shape
  }

  /** The text of a CommandComplete. */
  tagOf(bytes: Buffer, from: number, to: number): string {
    if (!isText(this.#tag, bytes, from, to)) this.#tag = bytes.toString('latin1', from, to)
    return this.#tag
  }
}

const FEW = 256

function isSame(known: Buffer, bytes: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false
  if (known.length > FEW) return known.compare(bytes, from, to) === 0
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false
  return true
}

function isText(known: string, bytes: Buffer, from: number, to: number): boolean {
  if (known.length !== to - from) return false
  for (let i = 0; i < known.length; i++) if (known.charCodeAt(i) !== bytes[from + i]) return false
  return true
}
