/**
 * What leaves of masked columns. By origin (table oid and column number of RowDescription), never by an output name an
 * agent can choose (attack 85). A value whose type cannot hold the asked form becomes NULL. Pure.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { type MaskWith, partial } from '../../statement/mask.ts'
import { dataRow, encodeRow, type Field } from './wire.ts'

export interface Masked {
  readonly with: MaskWith
  /** What column it is, of which connection: digests of different ones have nothing in common. */
  readonly of: string
  /** `schema.table.column`. */
  readonly column: string
  /** Its type can hold every form. */
  readonly textual: boolean
}

/** `oid.attnum` to the mask. */
export type MaskedColumns = ReadonlyMap<string, Masked>

/** Types whose bytes are their text in both formats: text, varchar, bpchar, name, unknown. */
const textual = new Set([25, 1043, 1042, 19, 705])

export const isTextual = (type: number): boolean => textual.has(type)

export type Form = (value: Buffer) => Buffer | null

/** One entry a column; null passes. */
export type MaskPlan = readonly (Form | null)[]

/** The plan for rows of this shape, or null where nothing is masked. */
export function planMask(fields: readonly Field[], masks: MaskedColumns): MaskPlan | null {
  let any = false
  const plan = fields.map(field => {
    const mask = field.table === 0 ? undefined : masks.get(`${field.table}.${field.column}`)
    if (mask === undefined) return null
    any = true
    return isTextual(field.type) ? formOf(mask) : () => null
  })
  return any ? plan : null
}

/** One whole row under a plan, as a new frame. */
export function maskRow(payload: Buffer, plan: MaskPlan): Buffer {
  const values = dataRow(payload)
  return encodeRow(
    values.map((value, i) => {
      const form = plan[i]
      return value === null || form === null || form === undefined ? value : form(value)
    }),
  )
}

const STARS = Buffer.from('***')
/**
 * Equal values of a column look equal within one run of the gateway, and nobody can try values against it: not in a column
 * that they may write, here or in a database that has tables of the same names.
 */
let key: Uint8Array = randomBytes(32)

/** The key of a run that several processes share. */
export function maskWith(run: Uint8Array): void {
  key = createHmac('sha256', run).update('postgres hash mask').digest()
}

export const formOf = (mask: Pick<Masked, 'with' | 'of'>): Form =>
  mask.with === 'hash' ? digestOf(mask.of) : forms[mask.with]

function digestOf(of: string): Form {
  const own = createHmac('sha256', key).update(of).digest()
  return value => Buffer.from(createHmac('sha256', own).update(value).digest('hex').slice(0, 32))
}

const forms: Readonly<Record<Exclude<MaskWith, 'hash'>, Form>> = {
  full: () => STARS,
  blank: () => Buffer.alloc(0),
  partial: value => Buffer.from(partial(value.toString('utf8'))),
}
