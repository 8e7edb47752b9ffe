import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPath } from '../../statement/http/target.ts'
import type { Narrowed } from '../../words.ts'
import { type Head, judgeRequest } from './guard.ts'
import { lowered } from './headers.ts'
import { type HttpScope, httpScope } from './scope.ts'

const scope = (said: object): Narrowed<HttpScope> => httpScope.schema.parse(said) as Narrowed<HttpScope>
const head = (method: string, raw: string, more: Partial<Head> = {}): Head => ({
  kind: 'request',
  method,
  raw,
  target: readPath(raw),
  rawHeaders: lowered([]),
  length: 0,
  contentType: undefined,
  ...more,
})
const code = (said: object, at: Head): string => {
  const verdict = judgeRequest(scope(said), at)
  return verdict.allow ? 'allow' : verdict.denial.code
}
const orders = { methods: ['GET'], paths: ['/api/orders/**'] }

test('a request is judged by method, path, query, body and kind', () => {
  const write = {
    methods: ['POST'],
    paths: ['/a'],
    content_types: ['application/json', 'text/*'],
    max_body: 10,
    query: ['page', 'f*'],
  }
  const json = { contentType: 'application/json', length: 5 }
  const table: [object, Head, string][] = [
    [orders, head('GET', '/api/orders/1'), 'allow'],
    [orders, head('GET', '/api/orders/1?anything=1'), 'allow'],
    [orders, head('HEAD', '/api/orders/1'), 'statement_refused'],
    [orders, head('TRACE', '/api/orders/1'), 'statement_refused'],
    [orders, head('GET', '/api/orders'), 'statement_refused'],
    [orders, head('GET', '/api/orders/../admin'), 'statement_refused'],
    [orders, head('GET', '/api/orders/..%2fadmin'), 'statement_unparsable'],
    [orders, head('GET', '/api/orders/1?_method=DELETE'), 'statement_refused'],
    [orders, head('GET', '/api/orders/1?_METHOD=DELETE'), 'statement_refused'],
    [orders, head('GET', '/api/orders/1?%5fmethod=DELETE'), 'statement_refused'],
    [{ ...orders, query: ['_method'] }, head('GET', '/api/orders/1?_method=x'), 'allow'],
    [orders, head('GET', '/api/orders/1', { kind: 'upgrade' }), 'statement_refused'],
    [{ ...orders, websocket: true }, head('GET', '/api/orders/1', { kind: 'upgrade' }), 'allow'],
    [write, head('POST', '/a', json), 'allow'],
    [write, head('POST', '/a'), 'allow'],
    [write, head('POST', '/a', { ...json, contentType: 'text/plain' }), 'allow'],
    [write, head('POST', '/a', { ...json, contentType: 'application/xml' }), 'statement_refused'],
    [write, head('POST', '/a', { length: 5 }), 'statement_refused'],
    [write, head('POST', '/a', { ...json, length: 11 }), 'limit_exceeded'],
    [write, head('POST', '/a', { ...json, length: undefined }), 'allow'],
    [write, head('POST', '/a?page=1&filter=x', json), 'allow'],
    [write, head('POST', '/a?page=1&other=x', json), 'statement_refused'],
    [write, head('POST', '/a?Page=1', json), 'statement_refused'],
    [
      { ...orders, paths: { all_of: [['/api/**'], ['/api/orders/*']] } },
      head('GET', '/api/orders/1'),
      'allow',
    ],
    [
      { ...orders, paths: { all_of: [['/api/**'], ['/api/orders/*']] } },
      head('GET', '/api/users/1'),
      'statement_refused',
    ],
  ]
  for (const [said, at, want] of table)
    assert.equal(code(said, at), want, `${at.method} ${at.raw} ${JSON.stringify(said)}`)
})

test('a verdict is remembered for the same request under the same scope, and for no other', () => {
  const one = scope(orders)
  assert.equal(
    judgeRequest(one, head('GET', '/api/orders/1')),
    judgeRequest(one, head('GET', '/api/orders/1')),
  )
  assert.notEqual(
    judgeRequest(one, head('GET', '/api/orders/1')),
    judgeRequest(scope(orders), head('GET', '/api/orders/1')),
  )
  const small = scope({ methods: ['POST'], paths: ['/a'], max_body: 10 })
  assert.equal(judgeRequest(small, head('POST', '/a', { length: 10 })).allow, true)
  assert.equal(judgeRequest(small, head('POST', '/a', { length: 11 })).allow, false)
})

test('what a refusal says is what the grant allows', () => {
  const verdict = judgeRequest(scope(orders), head('GET', '/x'))
  assert.ok(!verdict.allow)
  assert.equal(verdict.denial.say, '/x is not in scope; this grant allows GET on /api/orders/**')
  assert.deepEqual(verdict.statement, {
    kind: 'request',
    text: 'GET /x',
    touches: [{ act: 'GET', on: '/x' }],
  })
})

test('a parameter that some framework takes for the method is refused in all its spellings (attack 139)', () => {
  const any = { methods: ['POST'], paths: ['/**'] }
  const names = [
    '_method',
    '_METHOD',
    '.method',
    '+_method',
    '%20_method',
    '[method',
    '_method[]',
    '_method%5Ba%5D',
  ]
  for (const name of [...names, '[_method]', '_method]', '%5Bmethod', '+.method[]', '_method+'])
    assert.equal(code(any, head('POST', `/a?x=1&${name}=DELETE`)), 'statement_refused', name)
  for (const name of ['method', '_methods', 'my_method', '__method', 'method[]', '_method_id'])
    assert.equal(code(any, head('POST', `/a?${name}=x`)), 'allow', name)
  assert.equal(code({ ...any, query: ['_method'] }, head('POST', '/a?_method=PUT')), 'allow')
  assert.equal(code({ ...any, query: ['_method'] }, head('POST', '/a?.method=PUT')), 'statement_refused')
})
