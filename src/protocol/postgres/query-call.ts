/**
 * The call `query`: one statement with its parameters through the session's relay, and its answer as JSON. The database's own
 * refusal is `upstream_refused` with its SQLSTATE.
 */
import { type Refused, refuse } from '../../denial.ts'
import type { OneShots } from './one-shot.ts'
import { isTruncated } from './refuse.ts'
import type { RowReader } from './reply.ts'
import { fromText, knownTypeName, toText } from './values.ts'
import {
  BIND,
  COMMAND_COMPLETE,
  DESCRIBE,
  dataRow,
  EMPTY_QUERY,
  ERROR,
  EXECUTE,
  errorFields,
  type Field,
  FLUSH,
  frame,
  int32,
  NOTICE,
  PARSE,
  READY,
  rowDescription,
  SUSPENDED,
  SYNC,
} from './wire.ts'

/** Of rows, as the database sends them: a larger answer is cut. */
export const MOST_BYTES = 8 * 1024 * 1024
/** Rows that are asked for at once: so many more than were wanted are read at most. */
const ROWS_AT_ONCE = 1000
const UNLIMITED = 0x7fffffff

export interface QueryInput {
  readonly statement: string
  readonly parameters?: readonly unknown[] | undefined
  readonly max_rows?: number | undefined
}

export interface QueryOutput {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly unknown[])[]
  /** Rows returned or, where there are none to return, affected. */
  readonly row_count: number
  readonly truncated: boolean
}

export async function runQuery(shots: OneShots, input: QueryInput): Promise<QueryOutput | Refused> {
  const values = (input.parameters ?? []).map(toText)
  const unclear = values.indexOf(undefined)
  if (unclear >= 0) {
    const say = `parameter $${unclear + 1} is a number that JSON does not hold exactly: give it as a string`
    return refuse('request_invalid', say, { say })
  }
  const answer = new Rows(Math.min(input.max_rows ?? UNLIMITED, shots.session.scope.max_rows ?? UNLIMITED))
  const { wire, reply } = shots
  shots.refusal()
  shots.parameters = values as readonly (string | null)[]
  reply.rowsTo(answer)
  wire.say(
    frame(PARSE, '\0', input.statement, '\0', Uint8Array.of(0, 0)),
    bind(values as readonly (string | null)[]),
    frame(DESCRIBE, 'P\0'),
    execute(answer.next()),
    frame(FLUSH),
  )
  let tag: string | undefined
  let failed: Refused | null = null
  for (;;) {
    const { type, payload } = await reply.upTo(SUSPENDED, COMMAND_COMPLETE, EMPTY_QUERY, ERROR, NOTICE)
    if (type === NOTICE) answer.noted(payload)
    else if (type === SUSPENDED && answer.wantsMore()) wire.say(execute(answer.next()), frame(FLUSH))
    else {
      if (type === COMMAND_COMPLETE) tag = payload.toString('latin1', 0, payload.length - 1)
      if (type === ERROR) failed = shots.refusal() ?? refusedBy(payload)
      break
    }
  }
  wire.say(frame(SYNC))
  // What a Sync commits may fail as well: deferred constraints.
  const ended = await reply.upTo(READY, ERROR)
  if (ended.type === ERROR) {
    failed ??= refusedBy(ended.payload)
    await reply.upTo(READY)
  }
  reply.rowsTo(null)
  if (failed !== null) return failed
  const names = await typeNames(shots, answer.fields)
  return {
    columns: answer.fields.map(({ name, type }) => ({ name, type: names(type) })),
    rows: answer.rows,
    row_count: countOf(tag, answer),
    truncated: answer.truncated,
  }
}

class Rows implements RowReader {
  readonly #most: number
  readonly rows: unknown[][] = []
  fields: readonly Field[] = []
  truncated = false
  #asked = 0
  #came = 0
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  /** How many rows to ask for: one more than is wanted tells whether there are more. */
  next(): number {
    const count = Math.min(ROWS_AT_ONCE, this.#most - this.#asked + 1)
    this.#asked += count
    return count
  }

  /** Suspended: there may be more, unless the relay holds rows back: the scope's limit was reached. */
  wantsMore(): boolean {
    if (this.#asked > this.#most || this.#came < this.#asked) this.truncated = true
    return !this.truncated
  }

  /** The relay says when it has cut a result. */
  noted(payload: Buffer): void {
    if (isTruncated(payload)) this.truncated = true
  }

  describe(payload: Buffer): void {
    this.fields = rowDescription(payload)
  }

  take(payload: Buffer | null): void {
    this.#came++
    this.#bytes += payload?.length ?? MOST_BYTES
    if (payload === null || this.#bytes > MOST_BYTES || this.rows.length >= this.#most) this.truncated = true
    if (this.truncated || payload === null) return
    this.rows.push(dataRow(payload).map((value, i) => fromText(this.fields[i]?.type ?? 0, value)))
  }
}

/** `INSERT 0 2`, `UPDATE 2`; of what returns rows the tag tells only the last of them. */
function countOf(tag: string | undefined, { fields, rows }: Rows): number {
  if (fields.length > 0) return rows.length
  return Number(/ (\d+)$/.exec(tag ?? '')?.[1] ?? 0)
}

const execute = (rows: number): Buffer => frame(EXECUTE, '\0', int32(rows))

function bind(values: readonly (string | null)[]): Buffer {
  const pieces: (string | Uint8Array)[] = [
    '\0\0',
    Uint8Array.of(0, 0, values.length >> 8, values.length & 0xff),
  ]
  for (const value of values) {
    pieces.push(int32(value === null ? -1 : Buffer.byteLength(value)))
    if (value !== null) pieces.push(value)
  }
  return frame(BIND, ...pieces, Uint8Array.of(0, 0))
}

function refusedBy(payload: Buffer): Refused {
  const { C = 'XX000', M = 'the database gave no reason', H, P } = errorFields(payload)
  const facts = {
    sqlstate: C,
    ...(H === undefined ? {} : { hint: H }),
    ...(P === undefined ? {} : { position: Number(P) }),
  }
  return refuse('upstream_refused', `${C} ${M}`, { say: M, facts })
}

/** The server's names of types, asked for where they are not known by heart. */
async function typeNames(shots: OneShots, fields: readonly Field[]): Promise<(type: number) => string> {
  const known = shots.typeNames
  const unknown = [...new Set(fields.map(({ type }) => type))].filter(
    type => knownTypeName(type) === undefined && !known.has(type),
  )
  if (unknown.length > 0) {
    const sql = `SELECT oid::pg_catalog.int8, typname FROM pg_catalog.pg_type WHERE oid IN (${unknown.join(', ')})`
    for (const [type, name] of (await shots.ask('types', sql)).rows) known.set(Number(type), name ?? '')
  }
  return type => knownTypeName(type) ?? known.get(type) ?? String(type)
}
