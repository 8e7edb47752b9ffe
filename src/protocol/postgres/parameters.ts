/**
 * Which of the server's settings a client is told (ParameterStatus). The lease's role is not among them: a client
 * needs it for nothing, though a statement may ask for it. `client_encoding` and the quoting rules must stay what the guard assumes (attack 81).
 */
import { endOfString } from './wire.ts'

/** Name and value of a ParameterStatus. */
export function readParameter(payload: Buffer): readonly [string, string] {
  const end = endOfString(payload, 0, payload.length)
  const last = endOfString(payload, end + 1, payload.length)
  return [payload.toString('utf8', 0, end), payload.toString('utf8', end + 1, last)]
}

const visible = new Set([
  'server_version',
  'server_encoding',
  'client_encoding',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'integer_datetimes',
  'standard_conforming_strings',
  'in_hot_standby',
  'default_transaction_read_only',
  'scram_iterations',
])

export const visibleParameter = (name: string): boolean => visible.has(name)

/** Settings that would make the server read another statement than the one that was judged. */
const fixed: ReadonlyMap<string, string> = new Map([
  ['client_encoding', 'UTF8'],
  ['standard_conforming_strings', 'on'],
])

export function breaksJudgement(name: string, value: string): boolean {
  const must = fixed.get(name)
  return must !== undefined && must !== value
}
