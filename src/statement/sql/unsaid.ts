/**
 * The database's own functions that a statement calls without naming them: behind a sign, a cast, the CHECK of a domain, a
 * comparison (attack 84). Of what type a value is no tree says, so wherever one that leads there may be, it does.
 */
import type { Unsaid } from './analysis.ts'
import { isVetted } from './names.ts'
import type { Notes, Place } from './place.ts'

/** Those of BETWEEN stand nowhere in the tree. */
const between = ['<', '<=', '>', '>=']

/** A bare sign means the operator that fits best, in any schema of the search_path; `pg_catalog` before it, one of those there. */
export function sign(names: readonly string[], at: Place): void {
  const last = names.at(-1) ?? ''
  if (last === '||') at.notes.words.add('text')
  for (const one of last.includes('BETWEEN') ? between : [last])
    at.notes.words.add(`operator ${names.length > 1 ? 'pg_catalog.' : ''}${one}`)
}

/** Of a whole statement, when all that is in it has been seen. */
export function unsaid(notes: Notes): void {
  const all = notes.limits.own.unsaid
  if (all.length === 0) return
  const { words, whole, touches, verbs } = notes
  const uses = new Set(touches.map(({ on }) => on))
  const reads = new Set(touches.flatMap(({ act, on }) => (act === 'read' || act === 'call' ? [on] : [])))
  if (touches.some(({ act, on }) => act === 'call' && gathering.test(on))) words.add('[]')
  if (touches.some(({ act, on }) => act === 'call' && textOf.test(on))) words.add('text')
  const places = { in: uses, read: reads, whole }
  for (const one of all) {
    const there = one.place === null ? one.needs !== '' || verbs.length > 0 : places[one.how].has(one.place)
    if (there && (one.needs === '' || words.has(one.needs))) call(one, notes)
  }
}

/**
 * Those that make an array of a value, or take a constant for what another of their arguments is or has (any record's columns): a
 * domain stays one in them, where operators and CASE see the type below it. A test holds every built-in function against it.
 */
export const gathering =
  /^pg_catalog\.(array_(?!to_|length|n?dims|upper|lower)\w+|trim_array|lag|lead|width_bucket|percentile_disc|enum_range|jsonb?_populate_record\w*)$/

/** Whose bodies are SQL, and cast what they are given to text: the last two are behind `||`. */
export const textOf = /^(pg_catalog\.)?(quote_literal|quote_nullable|anytextcat|textanycat)$/

function call(one: Unsaid, notes: Notes): void {
  const { calls } = one
  if (isVetted(calls)) return
  if (notes.limits.functions.includes(calls)) notes.touches.push({ act: 'call', on: calls })
  else notes.refuse(`${whatOf(one)} may call ${calls}, which is not vetted`)
}

function whatOf({ place, how, needs }: Unsaid): string {
  if (needs.startsWith('operator '))
    return `${needs} (not ${needs.replace(' ', '(pg_catalog.')}), which is built in)`
  if (place === null) return "a cast of the database's own"
  return how === 'whole'
    ? `the row of ${place} as a value`
    : `a cast, a check or a comparison of what ${place} has`
}
