/**
 * Statements made out of others: names swapped for other names, brackets for other statements' brackets, tokens dropped,
 * doubled and moved. From a seed, so that a finding can be had again.
 */
import { randomOf } from './random.ts'

const token =
  /\$[a-z]*\$.*?\$[a-z]*\$|[ebxnu]?&?'(?:[^']|'')*'|(?:u&)?"(?:[^"]|"")*"|\$\d+|[a-z_][\w$]*(?:\.[a-z_*"][\w$"]*)*|\d+(?:\.\d+)?|::|<>|<=|>=|->>?|[~!@#&|*<>=+/%^-]+|\S/gis

/** Names that may stand for one another, permitted and barred ones alike. */
const kinds: readonly (readonly string[])[] = [
  ['orders', 'order_items', 'notes', 'log', 'shades', 'public.orders', 'public.notes', 'secret', 'hr.people', '"ORDERS"', 'open_view', 'pg_class', 'pg_proc', 'pg_authid', 'pg_temp.orders', 'information_schema.tables', 'pg_stats'],
  ['id', 'total', 'email', 'customer', 'body', 'secret', 'name', 'order_id', 'o.id', 'o.email', 'n.body', 'n.secret', 'i.name', 'ctid', 'xmin', 'tableoid', 'relname', 'prosrc', '*', 'o.*', 'orders', 'notes', 'excluded.secret', 'old.secret', 'new.*', '"email"', 'U&"em\\0061il"', 'o.to_jsonb', 'o.evil_of', 'i.evil_item', 'i.evil_any', 'i.kind', 'kind', 'i', 'checked', 'shade', 'order_items'],
  ['lower', 'upper', 'length', 'max', 'count', 'sum', 'lag', 'to_json', 'safe', 'public.safe', 'evil', 'public.evil', 'pg_catalog.lower', 'nextval', 'set_config', 'current_setting', 'pg_read_file', 'query_to_xml', 'to_regclass', 'row_to_json', 'to_jsonb', 'array_agg', 'json_agg', 'generate_series', 'unnest', 'pg_get_userbyid', 'format_type', 'lo_get', 'txid_current', 'has_table_privilege'],
  ['int', 'text', 'numeric', 'jsonb', 'regclass', 'orders', 'evil_type', 'name', 'bytea', 'int[]', 'pg_catalog.regtype'],
  ['select', 'insert', 'update', 'delete', 'merge', 'values', 'table', 'copy', 'explain', 'declare', 'truncate'],
  ['where', 'having', 'on', 'order by', 'group by', 'returning', 'limit', 'using', 'for update of', 'set', 'for share'],
  ['=', '<', '<>', '||', '+', '~', '->', '@>', 'operator(public.===)', '===', 'is distinct from', 'like', 'in'],
]
const kindOf = new Map(kinds.flatMap(kind => kind.map(name => [name.toLowerCase(), kind] as const)))

/** What a seed makes of a corpus. */
export function mutant(seed: number, corpus: readonly string[]): string {
  const random = randomOf(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  const tokens = pick(corpus).match(token) ?? []
  for (let left = 1 + Math.floor(random() * 3); left > 0; left--) change(tokens)
  return tokens.join(' ')

  function change(of: string[]): void {
    const at = Math.floor(random() * Math.max(1, of.length))
    const kind = kindOf.get((of[at] ?? '').toLowerCase())
    const chance = random()
    if (chance < 0.5) {
      // Most names have a kind: look for one, so that few mutations are mere noise.
      const named = of.flatMap((one, i) => (kindOf.has(one.toLowerCase()) ? [i] : []))
      const where = named.length > 0 ? pick(named) : at
      of[where] = pick(kindOf.get((of[where] ?? '').toLowerCase()) ?? ['id'])
    } else if (chance < 0.68) {
      const [from, to] = brackets(of)
      const other = pick(corpus).match(token) ?? []
      const [start, end] = brackets(other)
      if (end > start && to > from) of.splice(from, to - from, ...other.slice(start, end))
      else if (to > from) of.splice(from, to - from, '(', ...other, ')')
    } else if (chance < 0.76) of.splice(at, 1)
    else if (chance < 0.82) of.splice(at, 0, ...pickSome(of))
    else if (chance < 0.88) of.push(...tail(pick(corpus).match(token) ?? []))
    else if (chance < 0.93) of.splice(0, 0, ...pick([['explain'], ['with', 'x', 'as', '(', 'select', '*', 'from', 'orders', ')'], ['select', '1', ';'], ['copy', '(']]))
    else of[at] = pick(kind ?? pick(kinds))
  }

  function pickSome(of: readonly string[]): readonly string[] {
    const from = Math.floor(random() * of.length)
    return of.slice(from, from + 1 + Math.floor(random() * 4))
  }

  /** A clause's worth from somewhere to the end. */
  function tail(of: readonly string[]): readonly string[] {
    const from = Math.floor(random() * of.length)
    return of.slice(from)
  }

  /** One balanced pair of brackets. */
  function brackets(of: readonly string[]): readonly [number, number] {
    const opening = of.flatMap((one, i) => (one === '(' ? [i] : []))
    if (opening.length === 0) return [0, 0]
    const from = pick(opening)
    let depth = 0
    for (let i = from; i < of.length; i++) {
      if (of[i] === '(') depth += 1
      if (of[i] === ')' && --depth === 0) return [from, i + 1]
    }
    return [0, 0]
  }
}
