/**
 * What the server's version changes in how a tree is to be read. The parser is PostgreSQL 18's, and older servers have other
 * words: what is a form of the grammar here may be a name there, a call of anybody's function or a masked column. Each such form
 * is refused where the session's server does not know it, and where nobody knows which server it is.
 *
 * What else is new needs nothing: MERGE, RETURNING WITH, AT LOCAL, sub-selects without a name are syntax errors on servers that
 * lack them. So are `0x1f` and `1_000` on 15; 14 reads them as `0 AS x1f`, in a select list alone: a constant with a name.
 */
import { majorsOf } from './functions.gen.ts'
import type { Place } from './place.ts'

/** The newest server that the lists are made of. A newer one is taken to have what it has. */
const NEWEST = 18

/** `json_value('a', 'b')` is a call of `public.json_value` before 17. */
const forms: Readonly<Record<string, { readonly since: number; readonly words: string }>> = {
  JsonObjectConstructor: { since: 16, words: 'JSON_OBJECT' },
  JsonArrayConstructor: { since: 16, words: 'JSON_ARRAY' },
  JsonArrayQueryConstructor: { since: 16, words: 'JSON_ARRAY' },
  JsonObjectAgg: { since: 16, words: 'JSON_OBJECTAGG' },
  JsonArrayAgg: { since: 16, words: 'JSON_ARRAYAGG' },
  JsonIsPredicate: { since: 16, words: 'IS JSON' },
  JsonFuncExpr: { since: 17, words: 'JSON_VALUE, JSON_QUERY or JSON_EXISTS' },
  JsonTable: { since: 17, words: 'JSON_TABLE' },
  JsonParseExpr: { since: 17, words: 'JSON()' },
  JsonScalarExpr: { since: 17, words: 'JSON_SCALAR' },
  JsonSerializeExpr: { since: 17, words: 'JSON_SERIALIZE' },
  MergeSupportFunc: { since: 17, words: 'MERGE_ACTION' },
}

/** Refuses a node that stands for words which the server may read as names. */
export function refuseNewer(type: string, at: Place): void {
  const form = Object.hasOwn(forms, type) ? forms[type] : undefined
  if (form !== undefined && versionOf(at) < form.since) refuseWords(form.words, `${form.since} and later`, at)
}

/**
 * `system_user` alone stands in the tree as a call of `pg_catalog.system_user`, and before 16 is a column. Whoever writes
 * `pg_catalog` before a name that the server lacks is told the same.
 */
export function refuseLacking(name: string, at: Place): void {
  if (!mayHave(name, at)) refuseWords(name.toUpperCase(), majorsOf.get(name)?.join(', ') ?? 'none', at)
}

function refuseWords(words: string, have: string, at: Place): void {
  const version = versionOf(at)
  at.refuse(
    `${words} is known to PostgreSQL ${have}; this server's version is ${version === 0 ? 'not known' : version}, and it may mean something else there`,
  )
}

/** Not of a name that servers of this version lack: it is free for anybody's function there. */
export function mayHave(name: string, at: Place): boolean {
  return majorsOf.get(name)?.includes(Math.min(versionOf(at), NEWEST)) ?? true
}

/** The grammar writes `pg_catalog` before json_object since 16; before, it is whoever's function fits best. */
export function asCalled(names: readonly string[], at: Place): readonly string[] {
  return versionOf(at) < 16 && names.join('.') === 'pg_catalog.json_object' ? ['json_object'] : names
}

const versionOf = (at: Place): number => at.notes.limits.own.version
