import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Verdict } from '../../recording/record.ts'
import { VerdictCache } from './cache.ts'

const verdict = (text: string): Verdict => ({ allow: true, statement: { kind: 'select', text, touches: [] } })

test('a verdict is found under its scope and its exact text alone', () => {
  const cache = new VerdictCache()
  const given = verdict('select 1')
  cache.under('a').set('select 1', given)
  assert.equal(cache.under('a').get('select 1'), given)
  assert.equal(cache.under('b').get('select 1'), undefined)
  assert.equal(cache.under('a').get('select  1'), undefined)
})

test('it is bounded: what is used stays, what is not goes', () => {
  const cache = new VerdictCache(64 * 1024)
  const mine = cache.under('a')
  mine.set('kept', verdict('kept'))
  for (let i = 0; i < 1_000; i++) {
    cache.under(`other ${i % 5}`).set(`select ${i}`, verdict(`select ${i}`))
    assert.ok(mine.get('kept'))
  }
  const left = Array.from({ length: 1_000 }, (_, i) =>
    cache.under(`other ${i % 5}`).get(`select ${i}`),
  ).filter(Boolean)
  assert.ok(left.length > 10 && left.length < 130, String(left.length))
})

test('one that fills it again and again forgets its own, also through a handle whose scope was dropped', () => {
  const cache = new VerdictCache(16 * 1024)
  const idle = cache.under('idle')
  for (let i = 0; i < 500; i++) cache.under('busy').set(`select ${i}`, verdict('x'))
  for (let i = 0; i < 500; i++) idle.set(`select ${i}`, verdict('x'))
  const left = Array.from({ length: 500 }, (_, i) => idle.get(`select ${i}`)).filter(Boolean)
  assert.ok(left.length > 0 && left.length < 40, String(left.length))
})

test('cleared, it knows nothing', () => {
  const cache = new VerdictCache()
  const mine = cache.under('a')
  mine.set('select 1', verdict('select 1'))
  cache.clear()
  assert.equal(mine.get('select 1'), undefined)
  assert.equal(cache.under('a').get('select 1'), undefined)
})

test('very long texts are not kept', () => {
  const mine = new VerdictCache().under('a')
  const text = 'x'.repeat(20_000)
  mine.set(text, verdict(text))
  assert.equal(mine.get(text), undefined)
})
