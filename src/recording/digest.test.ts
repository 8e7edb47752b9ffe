import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Digest, keptBytes } from './digest.ts'
import { Hidden } from './hidden.ts'

test('a secret that lies across the end of what is kept is not kept in part', () => {
  const secret = 'value of a lease that is long enough'
  for (let before = keptBytes - secret.length - 1; before <= keptBytes; before++) {
    const hidden = new Hidden()
    hidden.hide(secret)
    const digest = new Digest(hidden)
    digest.add(Buffer.from('x'.repeat(before)))
    digest.add(Buffer.from(`${secret}${'y'.repeat(40_000)}`))
    digest.end()
    const { data = '', bytes } = digest.mark()
    assert.equal(bytes, before + secret.length + 40_000)
    assert.ok(data.length <= keptBytes)
    assert.doesNotMatch(data, /value/)
  }
})
