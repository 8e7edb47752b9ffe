import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowered } from './headers.ts'
import { onwardOf } from './serve.ts'
import type { HttpUpstream } from './upstream.ts'

test('what would let an original be guessed by its tag does not go on where answers are changed', () => {
  const upstream = { sets: () => false } as unknown as HttpUpstream
  const rawHeaders = lowered(['If-Match', '"a"', 'If-None-Match', '"b"', 'Accept', '*/*'])
  const passing = { path: '/', headers: [], maxBody: 1, maxResponse: 1 }
  const sent = (method: string, answer: boolean) =>
    onwardOf(
      { connection: 'api' },
      { upstream },
      { method, rawHeaders },
      {
        ...passing,
        ...(answer ? { answer: () => undefined } : {}),
      },
    ).headers.filter((_, at) => at % 2 === 0)
  assert.deepEqual(sent('GET', true), ['accept'])
  assert.deepEqual(sent('HEAD', true), ['accept'])
  assert.deepEqual(sent('PUT', true), ['if-match', 'if-none-match', 'accept'])
  assert.deepEqual(sent('GET', false), ['if-match', 'if-none-match', 'accept'])
})
