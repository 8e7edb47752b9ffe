/**
 * Random selects that bring `orders.email` through layers of sub-selects and CTEs, and then show it as it is or do something
 * with it that would tell of it. The layers are valid SQL, so that nearly all that is let through runs.
 */
import { randomOf } from './random.ts'

interface Column {
  readonly name: string
  /** It is orders.email. */
  readonly hidden: boolean
}

interface Layer {
  readonly sql: string
  readonly columns: readonly Column[]
}

export interface Carried {
  readonly sql: string
  /** It does nothing but show, and so must be let through. */
  readonly plain: boolean
}

export function carried(seed: number): Carried {
  return new Carrying(seed).statement()
}

class Carrying {
  readonly #random: () => number
  #names = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  #chance = (p: number) => this.#random() < p
  #pick = <T>(of: readonly T[]): T => of[Math.floor(this.#random() * of.length)] as T
  /** Also what shadows a table, and what is called as a column. */
  #alias = () => this.#pick([`s${++this.#names}`, `s${++this.#names}`, 'orders', 'a', 'k'])
  #column = () => `${this.#pick(['c', 'c', 'name', 'total'])}${++this.#names}`

  statement(): Carried {
    let layer = this.#innermost()
    const depth = this.#pick([1, 1, 2, 2, 3, 4])
    for (let i = 0; i < depth; i++) layer = this.#wrapped(layer)
    if (this.#chance(0.45)) return { sql: layer.sql, plain: true }
    return { sql: this.#telling(layer), plain: false }
  }

  #innermost(): Layer {
    const named = (name: string) => ({ name, hidden: name === 'email' })
    if (this.#chance(0.2))
      return { sql: this.#pick(['table orders', 'select * from orders', 'select o.* from public.orders o']), columns: ['id', 'customer', 'total', 'email'].map(named) }
    return this.#listed(['id', 'total', 'email'].map(named), 'orders o', 'o', this.#pick(['', '', ' where total > 1', ' order by id limit 3', ' order by total desc offset 1']))
  }

  /** A select list of these columns, in another order, with or without other names. */
  #listed(of: readonly Column[], from: string, alias: string, rest = ''): Layer {
    const columns: Column[] = []
    const list = [...of]
      .sort(() => this.#random() - 0.5)
      .map(one => {
        const name = this.#chance(0.4) ? this.#column() : one.name
        columns.push({ ...one, name })
        const ref = this.#chance(0.8) ? `${alias}.${one.name}` : one.name
        return name === one.name ? ref : `${ref} as ${name}`
      })
    return { sql: `select ${list.join(', ')} from ${from}${rest}`, columns }
  }

  #wrapped({ sql, columns }: Layer): Layer {
    const alias = this.#alias()
    const stars = columns.length > 3 || /^table|\*/.test(sql)
    const renames = !stars && this.#chance(0.3)
    const some = this.#pick([columns.length, 2, 1])
    const seen = renames ? columns.map((one, i) => (i < some ? { ...one, name: this.#column() } : one)) : columns
    const names = renames ? `(${seen.slice(0, some).map(one => one.name).join(', ')})` : ''
    const [first = { name: 'id', hidden: false }] = seen.filter(one => !one.hidden)
    const order = `${alias}.${first.name}`
    const over = (from: string): Layer =>
      this.#pick([
        () => ({ sql: `select * from ${from}`, columns: seen }),
        () => ({ sql: `select ${alias}.* from ${from} order by ${order} limit 3`, columns: seen }),
        () => this.#listed(seen, from, alias, this.#pick(['', ` order by ${order} desc`, ` where ${order} is not null`])),
        () => this.#listed(seen, `${from} left join order_items i on i.total = ${order}`.replace('i.total', 'i.order_id'), alias),
        () => this.#listed(seen, `${from} join (select id as nothing from order_items) i on true`, alias),
        () => {
          const inner = this.#listed(seen, '', alias).sql.replace(/ from $/, '')
          const given = seen.map(one => ({ ...one, name: this.#column() }))
          const outer = `l(${given.map(one => one.name).join(', ')})`
          // The list's own order, found again by its names.
          const list = inner.slice('select '.length).split(', ')
          const order = list.map(item => seen.findIndex(one => new RegExp(`^(\\w+\\.)?${one.name}( as |$)`).test(item)))
          return { sql: `select l.* from ${from}, lateral (${inner}) ${outer}`, columns: order.map((at, i) => ({ name: given[i]?.name ?? '', hidden: seen[at]?.hidden ?? true })) }
        },
      ])()
    if (this.#chance(0.5)) return over(`(${sql}) ${alias}${names}`)
    const { sql: body, columns: shown } = over(alias)
    return { sql: `with ${alias}${names} as ${this.#pick(['', 'materialized ', 'not materialized '])}(${sql}) ${body}`, columns: shown }
  }

  #telling({ sql, columns }: Layer): string {
    const s = this.#alias()
    const hidden = columns.filter(one => one.hidden)
    const x = `${this.#chance(0.7) ? `${s}.` : ''}${this.#pick(hidden.length > 0 ? hidden : columns).name}`
    const bare = x.slice(x.indexOf('.') + 1)
    const [other = { name: bare }] = columns.filter(one => !one.hidden)
    const from = this.#chance(0.5) ? `(${sql}) ${s}` : s
    const body = this.#pick([
      `select ${other.name} from ${from} where ${x} > 'x2'`,
      `select ${other.name} from ${from} where ${x} like '%3' or ${x} in ('x1')`,
      `select ${other.name} from ${from} order by ${x} limit 2`,
      `select ${x} as e, ${other.name} from ${from} order by e limit 2`,
      `select ${x}, ${other.name} from ${from} order by 1 limit 2`,
      `select * from ${from} order by ${bare} limit 2`,
      `select lower(${x}), ${other.name} from ${from}`,
      `select ${x} || 'y' from ${from}`,
      `select case when ${x} = 'x1' then 1 end, ${other.name} from ${from}`,
      `select ${x} = 'x2', ${other.name} from ${from}`,
      `select max(${x}), count(*) from ${from}`,
      `select min(${other.name}), ${x} from ${from} group by ${x} order by 1`,
      `select ${other.name}, row_number() over (order by ${x}) from ${from}`,
      `select distinct on (${x} < 'x3') ${other.name} from ${from}`,
      `select ${x} from ${from} union all select 'z'`,
      `select ${other.name}::text from ${from} union select ${x} from ${from}`,
      `table orders union all select ${x}, null, null, null from ${from}`,
      `select ${s} from ${from}`,
      `select to_jsonb(${s}) from ${from}`,
      `select ${s}.row_to_json from ${from}`,
      `select (${s}).${bare} from ${from}`,
      `select (${s}).* from ${from}`,
      `select array(select ${x} from ${from})`,
      `select (select ${x} from ${from} limit 1)`,
      `select 'x3' in (select ${x} from ${from} where ${other.name} is not null limit 2)`,
      `select exists (select distinct ${x} from ${from} where ${x} < 'x2' offset 1)`,
      `select ${other.name} from ${from} join (select 'x2' as ${bare}) t using (${bare})`,
      `select * from ${from} natural join (select 'x2' as ${bare}) t`,
      `select j.${bare} from (${from} join (select 1 as nothing) t on true) as j`,
      `select (j).* from (${from} join (select 1 as nothing) t on true) as j`,
      `select ${other.name} from ${from} join (select 'x2' as v) t on t.v >= ${x}`,
      `select g.v from ${from} cross join lateral (values (${x})) g(v)`,
      `select g.v from ${from}, lateral (select ${s}.${bare}::text as v) g`,
      `select g from ${from}, lateral regexp_split_to_table(${s}.${bare}, ',') g`,
      `select e.a from (select * from ${from}) e(a)`,
      `select e.a::text || 'q' from (select * from ${from}) e(a)`,
      `select e.b || 'q' from (select ${x}, ${other.name} from ${from}) e(b)`,
      `select e from (with recursive r as (select ${x} as e from ${from}) select * from r) r where e > 'x2'`,
      `with recursive r(n, e) as (select 1, ${x} from ${from} union all select n + 1, e from r where n < 2) select e from r`,
      `with recursive b as (select ${x} as e from ${from}) select e from b where e > 'x1'`,
    ])
    if (from !== s) return body
    return body.startsWith('with recursive ')
      ? `with ${s} as (${sql}) select * from (${body}) r`
      : `with ${s} as (${sql}) ${body}`
  }
}
