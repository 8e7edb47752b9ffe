/** Random SELECTs over the fuzz test's tables: mostly valid, fond of masked columns and of everything that could tell of them. */
import { randomOf } from './random.ts'

interface Named {
  readonly name: string
  readonly columns: readonly string[]
}

const tables: Readonly<Record<string, readonly string[]>> = {
  orders: ['id', 'customer', 'total', 'email'],
  order_items: ['id', 'order_id', 'name', 'email'],
  secret: ['id', 'body'],
}

/** The statement of a seed. */
export function statement(seed: number): string {
  return new Grammar(seed).statement()
}

/** The writing statement of a seed, or one of the forms that only few servers have: over what may be written and what may not. */
export function writing(seed: number): string {
  return new Grammar(seed).writing()
}

const targets: readonly Named[] = [
  { name: 'notes', columns: ['id', 'body', 'id', 'body', 'id', 'body', 'secret'] },
  { name: 'log', columns: ['id', 'body'] },
]

class Grammar {
  readonly #random: () => number
  #names = 0

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  #chance = (p: number) => this.#random() < p
  #pick = <T>(of: readonly T[]): T => of[Math.floor(this.#random() * of.length)] as T
  #name = () => this.#pick(['o', 's', 'email', 'orders', 'x', `t${++this.#names}`])

  statement(): string {
    const { sql } = this.#select(2, [], [])
    return this.#chance(0.05) ? `explain (costs off) ${sql}` : sql
  }

  writing(): string {
    const on = this.#chance(0.04) ? { name: 'orders', columns: ['id', 'total'] } : (this.#chance(0.7) ? targets[0] : targets[1])!
    const alias = this.#chance(0.4) ? this.#pick(['n', 'o', 'x']) : ''
    const self = { name: alias || on.name, columns: on.columns }
    const here: Named[] = []
    const of = () => this.#pick(on.columns)
    const two = () => [...new Set([of(), of()])]
    const value = (seen: readonly Named[]) => this.#pick(['default', "'v'", '7', '7', 'null', `(select ${this.#column(seen)} limit 1)`, this.#expression(1, seen, [])])
    const set = (seen: readonly Named[]) => two().map(column => `${column} = ${value(seen)}`).join(', ')
    const where = (seen: readonly Named[]) => (this.#chance(0.7) ? ` where ${this.#expression(1, seen, [])}` : '')
    const returning = (seen: readonly Named[]) => (this.#chance(0.4) ? ` returning ${this.#pick([this.#column(seen), this.#column(seen), `${self.name}.*`, '*', this.#expression(1, seen, []), 'old.body', 'new.id'])}` : '')
    const offered = { name: 'excluded', columns: on.columns }
    const named = `${this.#chance(0.1) ? 'public.' : ''}${on.name}${alias && ` as ${alias}`}`
    return this.#pick([
      () => {
        const columns = two()
        const rows = this.#chance(0.6) ? `values (${columns.map(() => value([])).join(', ')})` : this.#select(1, [], []).sql
        const conflict = this.#pick(['', '', ' on conflict do nothing', ` on conflict (${of()}) do update set ${set([self, offered])}${where([self, offered])}`, ' on conflict (id) do nothing', ` on conflict on constraint ${on.name}_pkey do nothing`])
        return `insert into ${named} (${columns.join(', ')}) ${rows}${conflict}${returning([self])}`
      },
      () => {
        const from = this.#chance(0.4) ? ` from ${this.#item(1, here, [], [])}` : ''
        return `update ${named} set ${set([self, ...here])}${from}${where([self, ...here])}${returning([self, ...here])}`
      },
      () => {
        const using = this.#chance(0.4) ? ` using ${this.#item(1, here, [], [])}` : ''
        return `delete from ${named}${using}${where([self, ...here])}${returning([self, ...here])}`
      },
      () => {
        const using = this.#relation(1, here, [], [])
        const seen = [self, ...here]
        const when = Array.from({ length: this.#pick([1, 2]) }, () =>
          this.#pick([
            () => `when matched then update set ${set(seen)}`,
            () => `when matched and ${this.#expression(0, seen, [])} then delete`,
            () => `when not matched then insert (id, body) values (${value(here)}, ${value(here)})`,
            () => 'when not matched then do nothing',
          ])(),
        )
        return `merge into ${named} using ${using} on ${self.name}.id = ${this.#pick(here).name}.id ${when.join(' ')}${this.#chance(0.2) ? returning(seen) : ''}`
      },
      () => this.#pick([`copy ${on.name} (${two().join(', ')}) to stdout`, `copy (${this.#select(1, [], []).sql}) to stdout`, `copy ${on.name} to stdout with (format csv)`]),
      () => {
        here.push({ name: 'j', columns: ['a', 'b', 'n'] })
        const rows = this.#pick([`'[{"a": 1, "b": "x"}]'`, `(select json_agg(${this.#pick(['id', 'i', 'name'])}) from order_items i)::jsonb`, "'{}'"])
        const table = `json_table(${rows}, '$[*]' columns (a ${this.#pick(['int', 'text', 'evil_type', 'regclass', 'evil_domain'])} path '$.a'${this.#pick(['', " default '1' on error", ' default length(md5(\'x\')) on empty'])}, b text path '$.b', n for ordinality)) j`
        return `select ${this.#column(here)}, ${this.#expression(1, here, [])} from ${table}${where(here)}`
      },
      () => {
        here.push({ name: 'x', columns: ['a', 'b'] })
        const table = `xmltable('/r' passing ${this.#pick(["xml '<r><a>1</a></r>'", "(select xmlelement(name r, xmlforest(i.id as a, i.kind as b)) from order_items i limit 1)"])} columns a ${this.#pick(['int', 'text', 'evil_type', 'evil_domain'])} path 'a'${this.#pick(['', " default '7'", ' default upper(\'x\')'])}, b text path 'b') x`
        return `select ${this.#column(here)} from ${table}${where(here)}`
      },
    ])()
  }

  #select(depth: number, outer: readonly Named[], ctes: readonly Named[]): { sql: string; columns: readonly string[] } {
    let known = ctes
    let head = ''
    if (depth > 0 && this.#chance(0.15)) {
      const inner = this.#select(depth - 1, [], ctes)
      const name = this.#pick(['a', 'a', 'orders', 'secret'])
      const renamed = inner.columns.map((_, i) => `r${i}`)
      const renames = this.#chance(0.3) && !inner.columns.includes('*')
      head = `with ${name}${renames ? `(${renamed.join(', ')})` : ''} as (${inner.sql}) `
      known = [...ctes.filter(cte => cte.name !== name), { name, columns: renames ? renamed : inner.columns }]
    }
    const from: string[] = []
    const here: Named[] = []
    const count = this.#pick([0, 1, 1, 1, 1, 2, 2])
    for (let i = 0; i < count; i++) from.push(this.#item(depth, here, outer, known))
    const seen = [...here, ...outer]
    const targets = Array.from({ length: this.#pick([1, 1, 2, 2, 3]) }, () => this.#target(depth, here, seen, known))
    const clauses = [
      this.#chance(0.35) && `where ${this.#expression(depth, seen, known)}`,
      this.#chance(0.1) && `group by ${this.#pick([this.#column(seen), '1', '2', 'e', this.#column(seen)])}`,
      this.#chance(0.05) && `having ${this.#expression(depth, seen, known)}`,
      this.#chance(0.3) && `order by ${this.#pick([this.#column(seen), this.#column(seen), '1', '2', '3', 'e', 'email', `${this.#pick([...seen, { name: 'o' }]).name}.*`, this.#expression(0, seen, known)])}`,
      this.#chance(0.2) && this.#pick(['limit 1', 'offset 1', 'limit 2']),
    ]
    const distinct = this.#pick(['', '', '', '', '', '', 'distinct ', `distinct on (${this.#column(seen)}) `])
    let sql = `${head}select ${distinct}${targets.map(one => one.sql).join(', ')}${from.length > 0 ? ` from ${from.join(', ')}` : ''}`
    for (const clause of clauses) if (clause !== false) sql += ` ${clause}`
    if (depth > 0 && this.#chance(0.06)) {
      const other = this.#select(0, outer, known).sql
      sql = `(${sql}) ${this.#pick(['union', 'union all', 'intersect', 'except'])} (${other})`
    }
    return { sql, columns: targets.flatMap(one => one.columns) }
  }

  #item(depth: number, here: Named[], outer: readonly Named[], ctes: readonly Named[]): string {
    const left = this.#relation(depth, here, outer, ctes)
    if (!this.#chance(0.3)) return left
    const first = here.length - 1
    const right = this.#relation(depth, here, outer, ctes)
    const kind = this.#pick(['join', 'left join', 'full join'])
    const how = this.#pick(['on', 'on', 'on', 'using', 'natural', 'cross'])
    const joined =
      how === 'on'
        ? `${left} ${kind} ${right} on ${this.#expression(0, here, ctes)}`
        : how === 'using'
          ? `${left} ${kind} ${right} using (${this.#pick(['id', 'id', 'email'])})`
          : `${left} ${how} join ${right}`
    if (!this.#chance(0.15)) return joined
    here.splice(first, 2, { name: 'j', columns: ['id', 'email', 'total'] })
    return `(${joined}) as j`
  }

  #relation(depth: number, here: Named[], outer: readonly Named[], ctes: readonly Named[]): string {
    if (depth > 0 && this.#chance(0.25)) {
      const lateral = this.#chance(0.4)
      const inner = this.#select(depth - 1, lateral ? [...here, ...outer] : outer, ctes)
      const name = this.#name()
      const renames = this.#chance(0.25) && !inner.columns.includes('*')
      const columns = renames ? inner.columns.map((_, i) => `c${i}`) : inner.columns
      here.push({ name, columns })
      return `${lateral ? 'lateral ' : ''}(${inner.sql}) ${name}${renames ? `(${columns.join(', ')})` : ''}`
    }
    if (this.#chance(0.06)) {
      const name = this.#name()
      here.push({ name, columns: [name, 'length'] })
      return `${this.#pick(['generate_series(1, 2)', "lower('x')"])} ${name}`
    }
    const cte = ctes.length > 0 && this.#chance(0.4) ? this.#pick(ctes) : undefined
    const table = cte?.name ?? this.#pick(['orders', 'orders', 'orders', 'order_items', 'order_items', 'secret'].slice(0, this.#chance(0.05) ? 6 : 5))
    const named = ctes.find(one => one.name === table)
    const columns = named?.columns ?? tables[table] ?? []
    const schema = this.#chance(0.1) ? 'public.' : ''
    if (this.#chance(0.35)) {
      here.push({ name: table, columns })
      return `${schema}${table}`
    }
    const name = this.#name()
    const renames = this.#chance(0.06)
    here.push({ name, columns: renames ? columns.map((_, i) => `k${i}`) : columns })
    return `${schema}${table} ${name}${renames ? `(${columns.map((_, i) => `k${i}`).join(', ')})` : ''}${this.#chance(0.03) ? ' tablesample system (100)' : ''}`
  }

  #target(depth: number, here: readonly Named[], seen: readonly Named[], ctes: readonly Named[]): { sql: string; columns: readonly string[] } {
    if (here.length > 0 && this.#chance(0.15)) {
      const one = this.#pick(here)
      return this.#chance(0.5) ? { sql: '*', columns: here.flatMap(all => all.columns) } : { sql: `${one.name}.*`, columns: one.columns }
    }
    // As many columns as it has, whatever AS says.
    if (this.#chance(0.08)) {
      const name = this.#pick(['e', 'email', 'email'])
      const spread = this.#pick(["row(1, 'x2')", 'row(1, 2)', this.#pick([...here, { name: 'row(1)' }]).name])
      return { sql: `(${spread}).*${this.#chance(0.7) ? ` as ${name}` : ''}`, columns: ['*'] }
    }
    const plain = this.#chance(0.6)
    const sql = plain ? this.#column(seen) : this.#expression(depth, seen, ctes)
    if (plain && this.#chance(0.7)) return { sql, columns: [sql.slice(sql.lastIndexOf('.') + 1)] }
    const name = this.#pick(['e', 'x', 'id', 'email'])
    return { sql: `${sql} as ${name}`, columns: [name] }
  }

  #column(seen: readonly Named[]): string {
    if (seen.length === 0) return '1'
    const one = this.#pick(seen)
    const column = this.#pick(one.columns.length > 0 ? one.columns : ['id'])
    if (this.#chance(0.02)) return one.name
    if (this.#chance(0.02)) return `${one.name}.${this.#pick(['to_jsonb', 'row_to_json', 'concat', 'count', 'quote_literal', 'email'])}`
    return this.#chance(0.3) ? column : `${one.name}.${column}`
  }

  #expression(depth: number, seen: readonly Named[], ctes: readonly Named[]): string {
    const inner = () => this.#expression(depth - 1, seen, ctes)
    const column = () => this.#column(seen)
    if (depth <= 0) {
      return this.#pick([
        () => `${column()} is not null`,
        () => `${column()}::text = ${column()}::text`,
        () => `${column()}::text < 'x3'`,
        () => `length(${column()}::text) > 1`,
        () => 'true',
        () => `${column()} = ${column()}`,
        () => `${column()} ${this.#pick(['<', '>=', '<>'])} 'x3'`,
        () => `${column()} ${this.#pick(['like', 'not like', 'ilike'])} 'x%'`,
        () => `${this.#pick(['lower', 'length', 'upper'])}(${column()}) is not null and not ${column()} between 'x2' and 'x3'`,
        () => `${column()} in ('x2', ${column()}) or ${column()} is distinct from ${column()}`,
      ])()
    }
    return this.#pick([
      () => `${column()}::text`,
      () => `(${column()})::text || 'y'`,
      () => `case when ${inner()} is null then 1 else 2 end`,
      () => `coalesce(${column()}::text, ${inner()}::text)`,
      () => `${this.#pick(['lower', 'length', 'md5'])}(${column()}::text)`,
      () => `${this.#pick(['count', 'max', 'array_agg', 'json_agg', 'min'])}(${column()})`,
      () => `${this.#pick(['to_jsonb', 'row_to_json', 'concat', 'num_nulls'])}(${this.#pick([column(), this.#pick([...seen, { name: '1' }]).name])})`,
      () => `exists (${this.#select(depth - 1, seen, ctes).sql})`,
      () => `(${this.#select(depth - 1, seen, ctes).sql} limit 1)`,
      () => `array(${this.#select(depth - 1, seen, ctes).sql})`,
      () => `${column()}::text in (${this.#select(depth - 1, seen, ctes).sql})`,
      () => `row_number() over (order by ${column()})`,
      () => `(${this.#pick([...seen, { name: '1' }]).name}).${this.#pick(['email', 'id', 'x'])}`,
      () => `row(${column()}, ${inner()})`,
      () => `greatest(${column()}::text, ${column()}::text)`,
      () => `${column()} is distinct from ${column()}`,
    ])()
  }
}
