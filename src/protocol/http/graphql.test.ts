import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTarget } from '../../statement/http/target.ts'
import type { Narrowed } from '../../words.ts'
import { type GraphqlScope, judgeGraphql } from './graphql.ts'
import { type Head, judgeRequest } from './guard.ts'
import { lowered } from './headers.ts'
import { type HttpScope, httpScope } from './scope.ts'

const scope: GraphqlScope = { operations: ['query'], fields: ['viewer', 'repo*'] }
const head = (more: Partial<Head> = {}): Head => ({
  kind: 'request',
  method: 'POST',
  raw: '/c/api/graphql',
  target: readTarget('/c/api/graphql'),
  rawHeaders: lowered(['Content-Type', 'application/json']),
  length: 10,
  contentType: 'application/json',
  ...more,
})
const statement = { kind: 'request', text: 'POST /graphql', touches: [] }
const judge = (body: unknown, by: GraphqlScope = scope, isMasked = false) =>
  judgeGraphql(
    by,
    head(),
    statement,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    isMasked,
  )
const code = (got: ReturnType<typeof judge>) => (got.verdict.allow ? 'ok' : got.verdict.denial.code)

test('operations and fields in scope go on, written anew', () => {
  for (const body of [
    { query: '{viewer{login}}' },
    { query: 'query A { repository { x } }', operationName: 'A', variables: { x: 1 } },
    { query: '{ mine: viewer { secrets } __typename }', variables: null, operationName: null },
    { query: '{ ...F } fragment F on Query { viewer }', extensions: { clientLibrary: { name: 'x' } } },
    [{ query: '{viewer}' }, { query: '{repos}' }],
  ])
    assert.equal(code(judge(body)), 'ok', JSON.stringify(body))
  const twice = judge('{"query":"mutation{drop}","query":"{viewer}","variables":{"id":12345678901234567890}}')
  assert.equal(twice.body?.toString(), '{"query":"{viewer}","variables":{"id":12345678901234567890}}')
  assert.deepEqual(judge({ query: '{ a: viewer repos }' }).verdict.statement.touches, [
    { act: 'query', on: 'viewer' },
    { act: 'query', on: 'repos' },
  ])
})

test('anything out of scope is refused, wherever it hides', () => {
  for (const [query, want] of [
    ['mutation { viewer }', 'statement_refused'],
    ['subscription { viewer }', 'statement_refused'],
    ['{ secrets }', 'statement_refused'],
    ['{ viewer: secrets }', 'statement_refused'],
    ['{ viewer ... on Query { secrets } }', 'statement_refused'],
    ['{ viewer ...F } fragment F on Query { ...G } fragment G on Query { secrets }', 'statement_refused'],
    ['{ viewer secrets @skip(if: true) }', 'statement_refused'],
    ['query A { viewer } mutation B { viewer }', 'statement_refused'],
    ['query A { viewer } query B { secrets }', 'statement_refused'],
    ['{ __schema { types { name } } }', 'statement_refused'],
    ['{ viewer', 'statement_unparsable'],
    ['', 'statement_unparsable'],
  ] as const)
    assert.equal(code(judge({ query, operationName: 'A' })), want, query)
  const all: GraphqlScope = { operations: ['query', 'mutation'], fields: ['*'] }
  assert.equal(code(judge({ query: 'mutation { anything }' }, all)), 'ok')
  assert.equal(code(judge({ query: '{ __type(name: "x") { name } }' }, all)), 'statement_refused')
  assert.equal(code(judge({ query: '{ __schema { x } }' }, { ...all, fields: ['__schema'] })), 'ok')
})

test('what is not the text of a query cannot be judged', () => {
  for (const body of [
    '',
    'null',
    '"x"',
    '[]',
    '[[]]',
    '{',
    '\ufeff{"query":"{viewer}"}',
    {},
    { query: 1 },
    { query: ['{viewer}'] },
    { id: 'abc' },
    { query: '{viewer}', id: 'abc' },
    { query: '{viewer}', doc_id: '1' },
    { query: '{viewer}', extensions: { persistedQuery: { sha256Hash: 'x' } } },
    { query: '{viewer}', extensions: '{"persistedQuery":{"sha256Hash":"x"}}' },
    { query: '{viewer}', extensions: [{ persistedQuery: 1 }] },
    { extensions: { persistedQuery: { sha256Hash: 'x' } } },
    { query: '{viewer}', operationName: 1 },
    { query: '{viewer}', variables: 'x' },
    Array.from({ length: 21 }, () => ({ query: '{viewer}' })),
    [{ query: '{viewer}' }, {}],
    `${'['.repeat(100_000)}`,
  ])
    assert.equal(code(judge(body)), 'statement_unparsable', JSON.stringify(body).slice(0, 80))
  const bytes = Buffer.concat([Buffer.from('{"query":"{viewer}'), Buffer.from([0xff]), Buffer.from('"}')])
  assert.equal(code(judgeGraphql(scope, head(), statement, bytes, false)), 'statement_unparsable')
})

test('where answers are masked an alias would carry a member past its path', () => {
  assert.equal(code(judge({ query: '{ viewer { mail: email } }' }, scope, true)), 'statement_refused')
  assert.equal(code(judge({ query: '{ viewer { email } }' }, scope, true)), 'ok')
})

const whole = httpScope.schema.parse({
  methods: ['GET', 'POST', 'PUT'],
  paths: ['/**'],
  websocket: true,
  graphql: scope,
})
const early = (more: Partial<Head>) => {
  const verdict = judgeRequest(whole as Narrowed<HttpScope>, head(more))
  return verdict.allow ? 'ok' : verdict.denial.code
}
const get = (query: string): Partial<Head> => ({
  method: 'GET',
  raw: `/c/api/graphql?${query}`,
  target: readTarget(`/c/api/graphql?${query}`),
  length: 0,
  contentType: undefined,
  rawHeaders: lowered([]),
})

test('what cannot be GraphQL is refused by its head', () => {
  assert.equal(early({}), 'ok')
  assert.equal(early(get('query={viewer}')), 'ok')
  for (const type of [
    'application/json',
    'Application/JSON;charset=UTF-8',
    'application/json; charset="utf-8"',
  ])
    assert.equal(early({ rawHeaders: lowered(['Content-Type', type]) }), 'ok', type)
  for (const more of [
    { method: 'PUT' },
    { kind: 'upgrade', method: 'GET', length: 0 },
    { contentType: 'application/graphql' },
    { contentType: 'multipart/form-data' },
    { contentType: undefined },
    ...[
      'charset=utf-16',
      'charset=utf-8; charset=utf-7',
      'xcharset=utf-8; charset=utf-7',
      "charset*=utf-7''x",
      'charset="utf-8";charset=utf-16le',
      'charset=utf-8,application/json',
    ].map(more => ({ rawHeaders: lowered(['Content-Type', `application/json; ${more}`]) })),
    { rawHeaders: lowered(['Content-Type', 'application/json', 'Content-Encoding', 'gzip']) },
    { target: readTarget('/c/api/graphql?query={viewer}'), raw: '/a' },
    { target: readTarget('/c/api/graphql?%71uery={viewer}'), raw: '/b' },
    get('query={viewer}&query={secrets}'),
    get('query={viewer}&%71uery={secrets}'),
    get('query={viewer}&id=1'),
    { ...get('query={viewer}'), length: 3 },
  ] as Partial<Head>[])
    assert.equal(early(more), 'statement_unparsable', JSON.stringify(more))
})

test('by GET a query is read from its parameter, and nothing but a query', () => {
  const asked = (query: string, by: GraphqlScope = scope) =>
    code(judgeGraphql(by, head(get(query)), statement, undefined, false))
  assert.equal(asked('query=%7Bviewer%7D'), 'ok')
  assert.equal(asked('query=query+A%7Bviewer%7D&operationName=A'), 'ok')
  assert.equal(asked('query={secrets}'), 'statement_refused')
  assert.equal(asked('operationName=A'), 'statement_unparsable')
  for (const extensions of [
    '{"persistedQuery":{}}',
    '{"persisted\\u0051uery":1}',
    '[{"persistedQuery":1}]',
    '"x"',
    '{',
    '',
  ])
    assert.equal(
      asked(`query={viewer}&extensions=${encodeURIComponent(extensions)}`),
      'statement_unparsable',
      extensions,
    )
  assert.equal(asked('query={viewer}&extensions={"trace":1}'), 'ok')
  const all: GraphqlScope = { operations: ['query', 'mutation'], fields: ['*'] }
  assert.equal(asked('query=mutation{viewer}', all), 'statement_refused')
})
