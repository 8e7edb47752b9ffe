import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type PostgresLimit, type PostgresScope, permits, postgresScope } from './scope.ts'

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
    statement_timeout: null,
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

test('what is not enforced yet is refused, not ignored', () => {
  assert.equal(complaint({ columns: { 'public.orders': ['id'] } }), 'columns is not available yet')
  assert.equal(complaint({ catalog: true }), 'catalog is not available yet')
  assert.match(
    complaint({ mask: [{ column: 'public.orders.email', with: 'hash' }] }) ?? '',
    /not available yet/,
  )
  assert.ok(!limit.safeParse({ catalog: true }).success)
  assert.ok(!limit.safeParse({ columns: { 'public.orders': ['id'] } }).success)
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
})

const names = fc.uniqueArray(fc.constantFrom('public.a', 'public.b', 'public.*', 'hr.a', 'hr.*', 'x.y'), {
  maxLength: 4,
})
const kinds = fc.uniqueArray(fc.constantFrom('select', 'insert', 'update', 'delete', 'merge'))
const masks = fc.array(
  fc.record({
    column: fc.constantFrom('public.a.x', 'public.a.y'),
    with: fc.constantFrom('full', 'partial'),
  }),
  { maxLength: 3 },
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
      for (const key of ['max_rows', 'statement_timeout'] as const) {
        for (const side of [scope[key], by[key] ?? null])
          if (side !== null) assert.ok(met[key] !== null && met[key] <= side)
      }
      for (const mask of [...scope.mask, ...(by.mask ?? [])]) {
        assert.ok(
          met.mask.some(one => one.column === mask.column && (one.with === mask.with || one.with === 'full')),
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
