import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wholePatch } from './secret-writes.ts'

const statement = { kind: 'patch', text: 'PATCH /api/v1/namespaces/shop/secrets/x', touches: [] }
const judged = (text?: string) =>
  wholePatch(statement).judge(text === undefined ? undefined : Buffer.from(text))

test('labels and annotations go on, written anew', () => {
  const texts: readonly (readonly [string, string?])[] = [
    ['{"metadata":{"labels":{"tier":"front","old":null}}}'],
    ['{"metadata":{"annotations":{"example.com/note":"seen"}}}'],
    ['{"metadata":{"labels":{},"annotations":{"a":"b"}}}'],
    ['{ "metadata": { "labels": { "a": "b", "a": "c" } } }', '{"metadata":{"labels":{"a":"c"}}}'],
    [
      '{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"},"annotations":{"a":"b"}}}',
      '{"metadata":{"annotations":{"a":"b"}}}',
    ],
  ]
  for (const [text, goesOn = text] of texts) {
    const { verdict, body } = judged(text)
    assert.ok(verdict.allow, text)
    assert.equal(body?.toString(), goesOn)
  }
})

test('whatever else a patch says is refused, for it could tell whether a guess is right', () => {
  const last = 'kubectl.kubernetes.io/last-applied-configuration'
  const texts = [
    undefined,
    '',
    '{}',
    '[]',
    'null',
    '7',
    'metadata: { labels: { a: b } }',
    '\ufeff{"metadata":{"labels":{"a":"b"}}}',
    '{"data":{"pin":"NDcxMQ=="}}',
    '{"stringData":{"pin":"4711"}}',
    '{"metadata":{"labels":{"a":"b"}},"data":{"pin":"NDcxMQ=="}}',
    '{"metadata":{"labels":{"a":"b"}},"data":null}',
    '{"metadata":{"labels":{"a":"b"}},"immutable":true}',
    '{"metadata":{"labels":{"a":"b"}},"type":"Opaque"}',
    '{"metadata":{"labels":{"a":"b"}},"$patch":"replace"}',
    '{"metadata":{"labels":{"a":"b"},"$patch":"replace"}}',
    '{"metadata":{"labels":{"a":"b","$patch":"replace"}}}',
    '{"metadata":{"labels":{"a":5}}}',
    '{"metadata":{"labels":{"a":1e400}}}',
    '{"metadata":{"labels":{"a":{"b":"c"}}}}',
    '{"metadata":{"labels":null}}',
    '{"metadata":{"labels":5}}',
    '{"metadata":{"labels":[]}}',
    '{"metadata":{}}',
    '{"metadata":null}',
    '{"metadata":{"labels":{"a":"b"},"resourceVersion":"7"}}',
    '{"metadata":{"labels":{"a":"b"},"managedFields":[]}}',
    '{"metadata":{"finalizers":["a/b"]}}',
    `{"metadata":{"annotations":{"${last}":"guess"}}}`,
    `{"metadata":{"annotations":{"${last}":null}}}`,
    '{"__proto__":{"data":{"pin":"NDcxMQ=="}},"metadata":{"labels":{"a":"b"}}}',
  ]
  for (const text of texts) {
    const { verdict } = judged(text)
    assert.ok(!verdict.allow, text ?? 'no body')
    assert.equal(verdict.denial.code, 'statement_refused')
  }
})
