import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type HttpScope, httpScope as kind } from './scope.ts'

const scope = (said: object): HttpScope => kind.schema.parse(said)
const wrong = (said: object): string => {
  const read = kind.schema.safeParse(said)
  return read.success ? '' : read.error.issues.map(issue => issue.message).join('; ')
}

test('what is unsaid is refused: no method, no path, no WebSocket', () => {
  assert.ok(kind.isEmpty(scope({})))
  assert.ok(kind.isEmpty(scope({ methods: ['GET'] })))
  assert.ok(kind.isEmpty(scope({ paths: ['/a'] })))
  assert.equal(scope({}).websocket, false)
  assert.ok(!kind.isEmpty(scope({ methods: ['GET'], paths: ['/a'] })))
})

test('a scope that could not mean what it says is refused', () => {
  assert.match(wrong({ methods: ['get'] }), /capitals/)
  for (const name of ['TRACE', 'CONNECT', 'TRACK']) assert.match(wrong({ methods: [name] }), /never/)
  assert.match(wrong({ paths: ['/a/../b'] }), /one form/)
  assert.match(wrong({ headers: ['X-Key'] }), /lower case/)
  assert.match(wrong({ headers: ['x_key'] }), /underscore/)
  assert.match(wrong({ content_types: ['application/json; charset=utf-8'] }), /without parameters/)
  assert.notEqual(wrong({ graphql: {} }), '')
  assert.notEqual(wrong({ graphql: { operations: ['Query'], fields: [] } }), '')
  assert.notEqual(wrong({ graphql: { operations: ['query'], fields: ['a.b'] } }), '')
  assert.match(wrong({ mask: [{ path: 'a', with: 'full' }] }), /begins with/)
  assert.notEqual(wrong({ mask: [{ path: '$.a', with: 'none' }] }), '')
  assert.notEqual(wrong({ method: ['GET'] }), '')
  assert.notEqual(wrong({ max_body: -1 }), '')
  assert.notEqual(wrong({ max_body: 1e300 }), '')
})

test('lists intersect, numbers take the smaller, path patterns must match both', () => {
  const rule = scope({
    methods: ['GET', 'POST'],
    paths: ['/api/**'],
    headers: ['x-*'],
    query: ['page', 'limit'],
    max_body: 100,
    websocket: true,
  })
  assert.deepEqual(
    kind.meet(rule, {
      methods: ['GET', 'DELETE'],
      paths: ['/api/orders/*'],
      headers: ['x-a', 'y'],
      query: ['limit', 'z'],
      content_types: ['text/*'],
      max_body: 1000,
      max_response: 5,
      websocket: false,
    }),
    {
      methods: ['GET'],
      paths: { all_of: [['/api/**'], ['/api/orders/*']] },
      headers: ['x-a'],
      query: ['limit'],
      content_types: ['text/*'],
      max_body: 100,
      max_response: 5,
      websocket: false,
      mask: [],
    },
  )
  assert.deepEqual(kind.meet(rule, { paths: ['/api/**'] }).paths, ['/api/**'])
  assert.deepEqual(kind.meet(scope({ methods: ['GET'], paths: ['/**'] }), { paths: ['/a'] }).paths, ['/a'])
  assert.ok(kind.isEmpty(kind.meet(rule, { paths: [] })))
})

const limits = fc.record(
  {
    methods: fc.subarray(['GET', 'POST', 'PUT']),
    paths: fc.subarray(['/**', '/a/*', '/a/**', '/b']),
    headers: fc.subarray(['x-*', 'x-a', '*']),
    query: fc.subarray(['*', 'a', 'a*']),
    content_types: fc.subarray(['*', 'text/*', 'text/plain']),
    max_body: fc.nat(100),
    max_response: fc.nat(100),
    websocket: fc.boolean(),
  },
  { requiredKeys: [] },
)

test('a meeting never widens, keeps what it meets with nothing, and is a valid limit again', () => {
  fc.assert(
    fc.property(limits, limits, (said, other) => {
      const rule = scope(said)
      assert.deepEqual(kind.meet(rule, {}), rule)
      const met = kind.meet(rule, other)
      assert.deepEqual(kind.limit.parse(met), met)
      assert.deepEqual(kind.meet(met, other), met)
      assert.deepEqual(kind.meet(met, rule), met)
    }),
  )
})

test('in words', () => {
  assert.equal(kind.words(scope({})), 'nothing')
  assert.equal(
    kind.words(scope({ methods: ['GET'], paths: ['/a', '/b/*'], query: ['x'], websocket: true })),
    'GET on /a, /b/*; query x; WebSocket',
  )
  assert.equal(kind.warnings(scope({ methods: ['POST'], paths: ['/graphql'] })).length, 1)
})

test('graphql meets by operations and fields, and stays where one side has none; masks are united', () => {
  const rule = scope({
    methods: ['POST'],
    paths: ['/graphql'],
    graphql: { operations: ['query', 'mutation'], fields: ['viewer', 'repo*'] },
    mask: [{ path: '$..email', with: 'partial' }],
  })
  const met = kind.meet(rule, {
    graphql: { operations: ['query', 'subscription'], fields: ['repository', 'viewer', 'x'] },
    mask: [{ path: '$..email', with: 'full' }],
  })
  assert.deepEqual(met.graphql, { operations: ['query'], fields: ['viewer', 'repository'] })
  assert.deepEqual(met.mask, [{ path: '$..email', with: 'full' }])
  assert.deepEqual(kind.meet(rule, {}), rule)
  assert.deepEqual(
    kind.meet(scope({ methods: ['POST'], paths: ['/x'] }), { graphql: rule.graphql }).graphql,
    rule.graphql,
  )
  assert.ok(kind.isEmpty(kind.meet(rule, { graphql: { operations: ['subscription'], fields: ['viewer'] } })))
  assert.ok(kind.isEmpty(kind.meet(rule, { graphql: { operations: ['query'], fields: [] } })))
  assert.match(kind.words(rule), /GraphQL: query, mutation of viewer, repo\*; masked: \$\.\.email/)
})
