import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { permits } from './relations.ts'
import { type PostgresLimit, type PostgresScope, postgresScope } from './scope.ts'

const { schema, limit, meet, isEmpty, words } = postgresScope
const rule = (given: object): PostgresScope =>
  schema.parse({ statements: ['select'], tables: ['public.orders'], ...given })
const complaint = (given: object) =>
  schema.safeParse({ statements: ['select'], ...given }).error?.issues[0]?.message

test('a rule is completed: what it leaves out is refused', () => {
  assert.deepEqual(rule({}), {
    statements: ['select'],
    tables: ['public.orders'],
    write_tables: [],
    columns: {},
    functions: [],
    catalog: false,
    max_rows: null,
    max_bytes: null,
    statement_timeout: null,
    transaction_timeout: null,
    idle_timeout: null,
    statements_per_second: null,
    mask: [],
  })
})

test('a complete scope is a valid limit and survives JSON', () => {
  const scope = rule({
    max_rows: 10,
    statement_timeout: '30s',
    mask: [{ column: 'public.orders.email', with: 'full' }],
  })
  const again = limit.parse(JSON.parse(JSON.stringify(scope)))
  assert.deepEqual(meet(scope, again), scope)
})

test('a name that one side wrote and the other has by its star alone is known as such, however often scopes meet', () => {
  const names = ['public.a', 'public.b', 'public.c']
  const scope = rule({ tables: ['public.*', 'public.a'], write_tables: ['public.b'] })
  const met = meet(scope, limit.parse({ tables: names, write_tables: ['public.*'] }))
  assert.deepEqual([met.starred, met.write_starred], [['public.b', 'public.c'], ['public.b']])
  assert.deepEqual(meet(met, limit.parse({ tables: ['public.c', 'public.a'] })).starred, ['public.c'])
  const less = meet(met, limit.parse({ tables: ['public.a'], write_tables: [] }))
  assert.deepEqual([less.starred, less.write_starred], [undefined, undefined])
  // What one list's star leaves out is not another list's affair, whichever of them is dropped.
  const writes = rule({ tables: ['public.*'], write_tables: ['public.a'] })
  assert.deepEqual(meet(writes, limit.parse({ tables: ['public.a'] })).write_starred, undefined)
  assert.deepEqual(meet(scope, { tables: ['public.*'] }).starred, ['public.a'])
  assert.deepEqual(meet(met, limit.parse(JSON.parse(JSON.stringify(met)))), met)
  // No rule can say it: it comes of meeting alone.
  assert.equal(schema.safeParse({ statements: ['select'], starred: [] }).success, false)
})

test('times and sizes are read with their units', () => {
  const scope = rule({
    max_bytes: '10MiB',
    transaction_timeout: '2m',
    idle_timeout: '1h',
    statement_timeout: 500,
    statements_per_second: 20,
  })
  assert.deepEqual(
    [scope.max_bytes, scope.transaction_timeout, scope.idle_timeout, scope.statement_timeout],
    [10 * 1024 * 1024, 120_000, 3_600_000, 500],
  )
})

test('columns meet by table: what both name, and a table that one side limits is limited', () => {
  const scope = rule({ columns: { 'public.orders': ['id', 'total'], 'public.a': ['x'] } })
  const met = meet(
    scope,
    limit.parse({ columns: { 'public.orders': ['total', 'email'], 'public.b': ['y'] } }),
  )
  assert.deepEqual(met.columns, { 'public.b': ['y'], 'public.orders': ['total'], 'public.a': ['x'] })
  const { columns } = meet(rule({}), limit.parse({ columns: { 'public.orders': ['id'] } }))
  assert.deepEqual(columns, { 'public.orders': ['id'] })
})

test('whose column lists they are is known where several sides have some, however often scopes meet', () => {
  const own = { 'public.child': ['id', 'extra'] }
  const scope = rule({ columns: { 'public.parent': ['id', 'total'] } })
  const met = meet(scope, limit.parse({ columns: own }))
  assert.deepEqual(met.columns_apart, [scope.columns, own])
  assert.deepEqual(meet(met, {}), met)
  assert.deepEqual(meet(met, limit.parse({ columns: own })), met)
  assert.deepEqual(meet(met, limit.parse(JSON.parse(JSON.stringify(met)))), met)
  // A side that gives no less than another of the same tables says nothing: a rule that is made wider cuts no grant.
  const wider = rule({ columns: { 'public.parent': ['total', 'id', 'day'] } })
  assert.deepEqual(meet(met, meet(wider, { columns: own })), met)
  assert.deepEqual(meet(scope, wider), scope)
  assert.deepEqual(meet(scope, { columns: { 'public.parent': ['id'] } }).columns_apart, undefined)
  const narrower = meet(met, { columns: { 'public.parent': ['id'] } })
  assert.deepEqual(narrower.columns_apart, [own, { 'public.parent': ['id'] }])
  // Said in both ways at once, both hold.
  const { columns, columns_apart } = meet(
    rule({}),
    limit.parse({ columns: own, columns_apart: [scope.columns] }),
  )
  assert.deepEqual([columns, columns_apart], [{ ...scope.columns, ...own }, undefined])
  assert.equal(schema.safeParse({ statements: ['select'], columns_apart: [own] }).success, false)
})

test('the catalogue is shown where both sides say so, or where a limit says nothing', () => {
  assert.ok(meet(rule({ catalog: true }), {}).catalog)
  assert.ok(!meet(rule({ catalog: true }), { catalog: false }).catalog)
  assert.ok(!meet(rule({}), { catalog: true }).catalog)
  assert.ok(!isEmpty(rule({ tables: [], catalog: true })))
})

test('a masked column may decide only where every side that masks it lets it', () => {
  const mask = (filter?: boolean) => [{ column: 'public.orders.email', with: 'partial' as const, filter }]
  assert.deepEqual(meet(rule({ mask: mask(true) }), {}).mask, mask(true))
  assert.deepEqual(meet(rule({ mask: mask(true) }), limit.parse({ mask: mask() })).mask, [
    { column: 'public.orders.email', with: 'partial' },
  ])
  assert.deepEqual(meet(rule({}), limit.parse({ mask: mask(true) })).mask, mask(true))
})

test('a mask that shows other things than the rule does shows nothing', () => {
  const mask = (form: string) => [{ column: 'public.orders.email', with: form }]
  const met = (one: string, other: string) =>
    meet(rule({ mask: mask(one) }), limit.parse({ mask: mask(other) })).mask
  for (const [one, other] of [
    ['partial', 'hash'],
    ['hash', 'partial'],
    ['full', 'hash'],
    ['partial', 'full'],
  ] as const)
    assert.deepEqual(met(one, other), mask('full'), `${one} ${other}`)
  for (const form of ['partial', 'hash', 'blank']) {
    assert.deepEqual(met(form, form), mask(form))
    assert.deepEqual(met(form, 'blank'), mask('blank'))
  }
})

test('what an author may not have meant is said', () => {
  assert.deepEqual(postgresScope.warnings?.(rule({})), [])
  const said = postgresScope.warnings?.(
    rule({
      tables: ['public.*'],
      columns: { 'public.orders': ['id'], 'hr.people': ['id'] },
      mask: [{ column: 'public.orders.email', with: 'hash', filter: true }],
    }),
  )
  assert.match(said?.join('\n') ?? '', /filter: true hides.*hr\.people has columns/s)
  const tried = (more: object) =>
    postgresScope
      .warnings?.(
        rule({
          statements: ['select', 'insert'],
          write_tables: ['public.*'],
          mask: [{ column: 'public.orders.email', with: 'hash' }],
          ...more,
        }),
      )
      .some(one => one.includes('look for its digest'))
  assert.equal(tried({}), true)
  assert.equal(tried({ columns: { 'public.orders': ['id', 'email'] } }), true)
  for (const safe of [
    { statements: ['select', 'delete'] },
    { write_tables: ['public.items'] },
    { columns: { 'public.orders': ['id'] } },
    { mask: [{ column: 'public.orders.email', with: 'partial' }] },
  ])
    assert.equal(tried(safe), false, JSON.stringify(safe))
})

test('unknown keys, statements and forms are refused', () => {
  for (const wrong of [
    { table: ['public.orders'] },
    { statements: ['drop'] },
    { statements: ['SELECT '] },
    { statements: null },
    { tables: ['orders'] },
    { tables: ['*'] },
    { tables: ['*.*'] },
    { tables: ['public.or*'] },
    { tables: ['a.b.c'] },
    { tables: [`public.${'é'.repeat(40)}`] },
    { tables: ['public.orders\n'] },
    { tables: 'public.orders' },
    { tables: ['pg_catalog.pg_authid'] },
    { tables: ['information_schema.*'] },
    { write_tables: ['pg_temp.x'] },
    { functions: ['lower'] },
    { functions: ['public.*'] },
    { max_rows: 0 },
    { max_rows: '10' },
    { statement_timeout: '0s' },
    { statement_timeout: '5' },
    { statement_timeout: '99h99' },
    { statement_timeout: '1000000h' },
    { idle_timeout: '0s' },
    { transaction_timeout: '25d' },
    { max_bytes: '10MB' },
    { max_bytes: 0 },
    { statements_per_second: 0 },
    { statements_per_second: 1.5 },
    { columns: { 'public.*': ['id'] } },
    { columns: { orders: ['id'] } },
    { columns: { 'public.orders': ['public.orders.id'] } },
    { columns: { 'public.orders': 'id' } },
    { columns: { 'pg_catalog.pg_authid': ['rolname'] } },
    { catalog: 'yes' },
    { mask: [{ column: 'public.orders.email', with: 'full', filter: 'yes' }] },
    { mask: [{ column: 'orders.email', with: 'full' }] },
    { mask: [{ column: 'public.orders.email', with: 'none' }] },
    JSON.parse('{"__proto__": {}, "toString": 1}'),
  ])
    assert.ok(!schema.safeParse({ statements: ['select'], ...wrong }).success, JSON.stringify(wrong))
  assert.ok(!schema.safeParse({}).success)
})

test('functions that undo the guard cannot be listed', () => {
  for (const name of ['set_config', 'query_to_xml', 'ts_stat', 'pg_read_file', 'lo_import']) {
    assert.match(complaint({ functions: [`pg_catalog.${name}`] }) ?? '', /cannot be listed/)
  }
  assert.equal(complaint({ functions: ['pg_catalog.nextval', 'public.set_config'] }), undefined)
})

test('lists intersect, schema.* with names, numbers take the smaller, masks the stronger', () => {
  const scope = rule({
    statements: ['select', 'insert'],
    tables: ['public.*', 'hr.people'],
    write_tables: ['public.notes'],
    functions: ['public.f', 'public.g'],
    max_rows: 100,
    mask: [{ column: 'public.orders.email', with: 'partial' }],
  })
  const met = meet(
    scope,
    limit.parse({
      statements: ['select', 'delete'],
      tables: ['public.orders', 'hr.*', 'other.x', 'public.pg_stat_statements'],
      write_tables: ['public.*'],
      functions: ['public.g'],
      max_rows: 1000,
      statement_timeout: 500,
      mask: [
        { column: 'public.orders.email', with: 'full' },
        { column: 'public.orders.phone', with: 'partial' },
      ],
    }),
  )
  assert.deepEqual(met, {
    ...scope,
    statements: ['select'],
    tables: ['public.orders', 'hr.people'],
    starred: ['hr.people', 'public.orders'],
    write_starred: ['public.notes'],
    functions: ['public.g'],
    statement_timeout: 500,
    mask: [
      { column: 'public.orders.email', with: 'full' },
      { column: 'public.orders.phone', with: 'partial' },
    ],
  })
})

test('nothing left is known as such', () => {
  assert.ok(!isEmpty(rule({})))
  assert.ok(isEmpty(rule({ tables: [] })))
  assert.ok(isEmpty(meet(rule({}), { statements: [] })))
  assert.ok(isEmpty(meet(rule({}), { tables: ['public.other'] })))
  assert.ok(isEmpty(rule({ statements: ['insert'] })))
  assert.ok(!isEmpty(rule({ statements: ['insert'], write_tables: ['public.a'] })))
  assert.ok(!isEmpty(rule({ tables: [], functions: ['public.f'] })))
})

test('it is said in words', () => {
  assert.equal(words(rule({ max_rows: 1000 })), 'select on public.orders, at most 1000 rows')
  assert.equal(
    words(rule({ columns: { 'public.orders': ['id', 'total'] }, catalog: true })),
    'select on public.orders (id, total), the catalogue',
  )
  assert.equal(
    words(rule({ tables: ['public.*'], columns: { 'public.orders': ['id'] } })),
    'select on public.* (but of public.orders only id)',
  )
  const many = Array.from({ length: 900 }, (_, i) => `public.t${i}`)
  assert.match(words(rule({ tables: many })), /public\.t29 and 870 more$/)
})

const names = fc.uniqueArray(fc.constantFrom('public.a', 'public.b', 'public.*', 'hr.a', 'hr.*', 'x.y'), {
  maxLength: 4,
})
const kinds = fc.uniqueArray(fc.constantFrom('select', 'insert', 'update', 'delete', 'merge'))
const masks = fc.array(
  fc.record({
    column: fc.constantFrom('public.a.x', 'public.a.y'),
    with: fc.constantFrom('full', 'partial', 'hash', 'blank'),
    filter: fc.boolean(),
  }),
  { maxLength: 3 },
)
/** What a form tells of a value. */
const tells: Record<string, string[]> = { full: [], blank: [], partial: ['a part'], hash: ['equality'] }
const columns = fc.dictionary(
  fc.constantFrom('public.a', 'hr.a'),
  fc.uniqueArray(fc.constantFrom('x', 'y', 'z')),
)
const count = fc.option(fc.integer({ min: 1, max: 50 }))
const limits = fc
  .record(
    {
      statements: kinds,
      tables: names,
      write_tables: names,
      functions: fc.uniqueArray(fc.constantFrom('p.f', 'p.g')),
      max_rows: count,
      statement_timeout: count,
      mask: masks,
      columns,
      catalog: fc.boolean(),
      max_bytes: count,
      idle_timeout: count,
      transaction_timeout: count,
      statements_per_second: count,
    },
    { requiredKeys: [] },
  )
  .map(given => limit.parse(given) as PostgresLimit)
const scopes = fc
  .record({
    statements: kinds,
    tables: names,
    write_tables: names,
    functions: fc.uniqueArray(fc.constantFrom('p.f', 'p.g')),
    max_rows: count,
    statement_timeout: count,
    mask: masks,
    columns,
    catalog: fc.boolean(),
    max_bytes: count,
    idle_timeout: count,
    transaction_timeout: count,
    statements_per_second: count,
  })
  .map(given => schema.parse(given))
const relations = ['public.a', 'public.b', 'public.c', 'public.pg_x', 'hr.a', 'hr.b', 'x.y', 'x.z']

test('what both allow is what each allows, and nothing else', () => {
  fc.assert(
    fc.property(scopes, limits, (scope, by) => {
      const met = meet(scope, by)
      for (const key of ['tables', 'write_tables'] as const) {
        for (const relation of relations) {
          const both = permits(scope[key], relation) && permits(by[key] ?? scope[key], relation)
          assert.equal(permits(met[key], relation), both, `${key} ${relation}`)
        }
      }
      for (const kind of met.statements)
        assert.ok(scope.statements.includes(kind) && (by.statements ?? [kind]).includes(kind))
      assert.ok(!met.catalog || (scope.catalog && (by.catalog ?? true)))
      for (const side of [scope.columns, by.columns ?? {}]) {
        for (const [table, listed] of Object.entries(side))
          assert.ok(
            met.columns[table]?.every(one => listed.includes(one)),
            table,
          )
      }
      for (const key of [
        'max_rows',
        'max_bytes',
        'statement_timeout',
        'transaction_timeout',
        'idle_timeout',
        'statements_per_second',
      ] as const) {
        for (const side of [scope[key], by[key] ?? null])
          if (side !== null) assert.ok(met[key] !== null && met[key] <= side)
      }
      for (const mask of [...scope.mask, ...(by.mask ?? [])]) {
        assert.ok(
          met.mask.some(
            one =>
              one.column === mask.column &&
              tells[one.with]?.every(told => tells[mask.with]?.includes(told)) &&
              (mask.filter === true || one.filter !== true),
          ),
        )
      }
    }),
  )
})

test('meeting nothing changes nothing, and meeting twice is meeting once', () => {
  fc.assert(
    fc.property(scopes, limits, (scope, by) => {
      assert.deepEqual(meet(scope, {}), scope)
      const met = meet(scope, by)
      const again = meet(met, by)
      assert.deepEqual(
        { ...again, tables: new Set(again.tables), write_tables: new Set(again.write_tables) },
        { ...met, tables: new Set(met.tables), write_tables: new Set(met.write_tables) },
      )
    }),
  )
})
