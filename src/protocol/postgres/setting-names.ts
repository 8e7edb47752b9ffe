/**
 * `current_setting($1)`: which setting is asked for stands in the Bind, so that the Bind is judged too (attack 70). ORMs ask so
 * when they look at tables. Pure.
 */
import { refuse } from '../../denial.ts'
import { mayShow } from '../../statement/sql/settings.ts'
import type { Judged } from './guard.ts'
import type { RefusedVerdict } from './simple.ts'

/**
 * Whether every parameter of `which` is the name of a setting that SHOW shows. `from` is where a Bind's formats begin; what
 * lies beyond `end` was not read, and is no name. A name's bytes are the same in both formats.
 */
export function namesSettings(bytes: Buffer, from: number, end: number, which: readonly number[]): boolean {
  if (from + 2 > end) return false
  let at = from + 2 + 2 * bytes.readUInt16BE(from)
  if (at + 2 > end) return false
  const count = bytes.readUInt16BE(at)
  at += 2
  // A statement may hold thousands of them, and a Bind tens of thousands of parameters (attack 103).
  const names = new Set(which)
  const last = Math.max(...names)
  if (last > count) return false
  for (let n = 1; n <= last; n++) {
    if (at + 4 > end) return false
    const length = Math.max(bytes.readInt32BE(at), 0)
    at += 4
    if (at + length > end) return false
    if (names.has(n) && !mayShow(bytes.toString('latin1', at, at + length))) return false
    at += length
  }
  return true
}

/** The refusal of a Bind that names another. */
export function settingRefused({ statement }: Judged): RefusedVerdict {
  const say =
    'current_setting() of the setting that the parameter names is not permitted: only of those that SHOW shows'
  const { denial } = refuse('statement_refused', 'current_setting() of another setting in a Bind', {
    say,
    everywhere: true,
  })
  return { allow: false, statement, denial }
}
