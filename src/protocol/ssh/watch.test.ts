import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Watch } from './watch.ts'

const sees = (patterns: readonly string[], ...chunks: readonly string[]) => {
  const watch = new Watch(patterns)
  return chunks.map(chunk => watch.sees(Buffer.from(chunk))).find(found => found !== undefined)
}

test('a pattern is found in a line, wherever it stands and however the line arrives', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.array(fc.integer({ min: 1, max: 9 })), (around, sizes) => {
      const text = `${around}\nxx BEGIN äöü KEY${around}`
      const chunks: Buffer[] = []
      let rest = Buffer.from(text)
      for (const size of sizes) {
        chunks.push(rest.subarray(0, size))
        rest = rest.subarray(size)
      }
      const watch = new Watch(['BEGIN äöü'])
      assert.ok([...chunks, rest].some(chunk => watch.sees(chunk) === 'BEGIN äöü'))
    }),
  )
})

test('an asterisk is anything within one line, and nothing beyond it', () => {
  assert.equal(sees(['rm -rf * /'], 'rm -rf --one-file-system /\n'), 'rm -rf * /')
  assert.equal(sees(['rm*secret'], 'rm\nsecret'), undefined)
  assert.equal(sees(['a*b*c'], 'c b a, a c b'), undefined)
  assert.equal(sees(['a*b*c'], 'xaxxb', 'xxc'), 'a*b*c')
})

test('colours and titles do not hide it, not even cut in two', () => {
  assert.equal(sees(['secret'], 'sec\u001b[31mret'), 'secret')
  assert.equal(sees(['secret'], 'sec\u001b[3', '1mret'), 'secret')
  assert.equal(sees(['secret'], 'sec\u001b]0;title\u0007ret'), 'secret')
})

test('an endless line is looked at in time that grows no faster than it, with a bounded memory', () => {
  const watch = new Watch(['needle', 'x*x*x*x*x*x*x*y'])
  const chunk = Buffer.alloc(32_768, 'x')
  for (let i = 0; i < 200; i++) assert.equal(watch.sees(chunk), undefined)
  assert.equal(watch.sees(Buffer.from('needle')), 'needle')
})

test('unterminated sequences cost no more than others', () => {
  const watch = new Watch(['needle'])
  const chunk = Buffer.from('\u001b]'.repeat(16_384))
  for (let i = 0; i < 20; i++) assert.equal(watch.sees(chunk), undefined)
})
