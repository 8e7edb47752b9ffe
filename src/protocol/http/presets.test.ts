import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTarget } from '../../statement/http/target.ts'
import type { Narrowed } from '../../words.ts'
import { judgeRequest } from './guard.ts'
import { lowered } from './headers.ts'
import { presetNames, type presets } from './presets.ts'
import { type HttpScope, httpScope } from './scope.ts'

const form = 'application/x-www-form-urlencoded'
const json = 'application/json'

/** `METHOD path [content type of a body]`. */
const table: Readonly<
  Record<keyof typeof presets, { readonly yes: readonly string[]; readonly no: readonly string[] }>
> = {
  'github-read': {
    yes: [
      'GET /repos/acme/web/issues?state=open',
      'GET /user',
      'HEAD /repos/acme/web',
      'GET /search/code?q=x',
      'GET /orgs/acme/repos',
    ],
    no: [
      `POST /repos/acme/web/issues ${json}`,
      'DELETE /repos/acme/web',
      'GET /admin',
      'GET /user/keys',
      `PATCH /user ${json}`,
      `POST /graphql ${json}`,
    ],
  },
  'github-graphql-read': {
    yes: [`POST /graphql ${json}`],
    no: [
      'GET /repos/acme/web',
      'POST /graphql text/plain',
      `POST /graphql?query=x ${json}`,
      `PUT /graphql ${json}`,
    ],
  },
  'slack-read': {
    yes: [
      'GET /conversations.list?limit=10',
      'GET /conversations.history?channel=C1&cursor=x',
      'GET /users.info?user=U1',
      'GET /auth.test',
    ],
    no: [
      `POST /chat.postMessage ${json}`,
      'GET /conversations.list?token=xoxb',
      'GET /admin.users.list',
      'GET /files.list',
      'GET /chat.delete?channel=C1&ts=1',
    ],
  },
  'slack-post': {
    yes: [`POST /chat.postMessage ${json}`],
    no: [
      `POST /chat.postMessage ${form}`,
      `POST /chat.delete ${json}`,
      `POST /chat.postMessage?token=x ${json}`,
      'GET /chat.postMessage',
    ],
  },
  'openai-chat': {
    yes: [
      `POST /chat/completions ${json}`,
      `POST /responses ${json}`,
      `POST /embeddings ${json}`,
      'GET /models',
      'GET /models/gpt-x',
    ],
    no: [
      'DELETE /models/ft-x',
      `POST /files multipart/form-data`,
      'GET /files',
      `POST /fine_tuning/jobs ${json}`,
      'GET /organization/users',
      `POST /chat/completions?x=1 ${json}`,
    ],
  },
  'anthropic-messages': {
    yes: [`POST /messages ${json}`, `POST /messages/count_tokens ${json}`, 'GET /models?limit=20'],
    no: [
      `POST /messages/batches ${json}`,
      'GET /organizations/users',
      'DELETE /files/f',
      `POST /messages text/plain`,
    ],
  },
  'prometheus-read': {
    yes: [
      'GET /api/v1/query?query=up',
      `POST /api/v1/query_range ${form}`,
      'GET /api/v1/label/job/values',
      'GET /api/v1/status/buildinfo',
    ],
    no: [
      'POST /api/v1/admin/tsdb/delete_series',
      `PUT /api/v1/query ${form}`,
      'POST /-/reload',
      'POST /-/quit',
      'GET /api/v1/status/config',
      `POST /api/v1/write ${json}`,
    ],
  },
  'elasticsearch-search': {
    yes: [
      'GET /logs/_search?size=1',
      `POST /logs/_search ${json}`,
      `POST /logs-*/_count ${json}`,
      'GET /logs/_field_caps?fields=x',
    ],
    no: [
      `POST /logs/_doc ${json}`,
      `POST /logs/_delete_by_query ${json}`,
      `POST /_bulk ${json}`,
      'DELETE /logs',
      `POST /logs/_update/1 ${json}`,
      `PUT /logs/_search ${json}`,
      `POST /_search ${json}`,
    ],
  },
  'elasticsearch-read': {
    yes: [
      'GET /logs/_doc/1',
      'HEAD /logs/_doc/1',
      'GET /_cat/indices?format=json',
      'GET /_cluster/health',
      'GET /logs/_mapping',
    ],
    no: [
      `PUT /logs/_doc/1 ${json}`,
      'DELETE /logs/_doc/1',
      'GET /_cluster/settings',
      'GET /_nodes',
      'GET /_security/user',
      `POST /logs/_doc/1 ${json}`,
    ],
  },
  'clickhouse-read': {
    yes: ['GET /?query=SELECT%201&database=logs', 'GET /ping', 'GET /?query=x&param_id=1'],
    no: [
      `POST /?query=x text/plain`,
      'GET /?query=x&readonly=0',
      'GET /?query=x&user=default&password=',
      'GET /?query=x&allow_ddl=1',
      'GET /replicas_status',
      'GET /play',
    ],
  },
}

function judged(scope: HttpScope, text: string): string {
  const [method = '', raw = '', contentType] = text.split(' ')
  const verdict = judgeRequest(scope as Narrowed<HttpScope>, {
    kind: 'request',
    method,
    raw: `/c/x${raw}`,
    target: readTarget(`/c/x${raw}`),
    rawHeaders: lowered(contentType === undefined ? [] : ['content-type', contentType]),
    length: contentType === undefined ? 0 : 10,
    contentType,
  })
  return verdict.allow ? 'allow' : verdict.denial.code
}

test('each preset allows what it is for and nothing that changes or tells more', () => {
  assert.deepEqual(Object.keys(table), presetNames)
  for (const name of presetNames) {
    const scope = httpScope.schema.parse({ preset: name })
    assert.ok(!httpScope.isEmpty(scope), name)
    assert.ok(!scope.websocket && scope.mask.length === 0, name)
    for (const text of table[name].yes) assert.equal(judged(scope, text), 'allow', `${name}: ${text}`)
    for (const text of table[name].no) assert.notEqual(judged(scope, text), 'allow', `${name}: ${text}`)
  }
})

test('a preset is only ever narrowed by what stands beside it', () => {
  const scope = httpScope.schema.parse({
    preset: 'github-read',
    methods: ['GET', 'DELETE'],
    paths: ['/repos/acme/**'],
    headers: ['x-evil'],
    max_response: 1000,
    mask: [{ path: '$..email', with: 'full' }],
  })
  assert.equal(judged(scope, 'GET /repos/acme/web'), 'allow')
  for (const text of ['GET /repos/other/web', 'DELETE /repos/acme/web', 'GET /user'])
    assert.equal(judged(scope, text), 'statement_refused', text)
  assert.deepEqual([scope.headers, scope.max_response, scope.mask.length], [[], 1000, 1])
  const graph = httpScope.schema.parse({
    preset: 'github-graphql-read',
    graphql: { operations: ['query', 'mutation'], fields: ['viewer', 'node'] },
  })
  assert.deepEqual(graph.graphql, { operations: ['query'], fields: ['viewer'] })
  assert.deepEqual(httpScope.meet(scope, {}), scope)
})

test('no request and no ceiling can name one, and an unknown one is an error', () => {
  assert.ok(!httpScope.limit.safeParse({ preset: 'github-read' }).success)
  assert.ok(!httpScope.schema.safeParse({ preset: 'github-write' }).success)
  assert.ok(!httpScope.schema.safeParse({ preset: ['github-read'] }).success)
})
