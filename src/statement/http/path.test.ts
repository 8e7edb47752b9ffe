import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { normalPath } from './path.ts'
import { paths } from './path.vectors.ts'

test(`${paths.length} spellings have one form each or none (ATTACKS 132, 133)`, () => {
  assert.ok(paths.length >= 100)
  for (const [raw, path] of paths) {
    const read = normalPath(raw)
    assert.equal('path' in read ? read.path : undefined, path, `${JSON.stringify(raw.slice(0, 80))}`)
  }
})

const spelling = fc
  .array(
    fc.constantFrom(
      '/',
      '.',
      '..',
      'a',
      'A',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '%25',
      '2e',
      '%61',
      '%C3%A9',
      ';',
      '\\',
      '%',
      '//',
      '~',
      '%00',
      '?',
      ' ',
      '*',
      '%EF%BC%8E',
    ),
    { maxLength: 14 },
  )
  .map(parts => `/${parts.join('')}`)

test('the one form is its own form: what was judged is what a second reading finds', () => {
  fc.assert(
    fc.property(spelling, raw => {
      const once = normalPath(raw)
      if (!('path' in once)) return
      assert.deepEqual(normalPath(once.path), once)
    }),
    { numRuns: 5000 },
  )
})

test('whoever reads the one form, decoding once or twice, sees the same segments', () => {
  fc.assert(
    fc.property(spelling, raw => {
      const read = normalPath(raw)
      if (!('path' in read)) return
      const decoded = decodeURIComponent(read.path)
      // No decoding makes a separator, a dot segment or a parameter out of what was none.
      assert.equal(decoded.split('/').length, read.path.split('/').length)
      for (const segment of decoded.split('/')) assert.ok(segment !== '.' && segment !== '..')
      assert.doesNotMatch(decoded, /[\\;?#\0]/)
      assert.doesNotMatch(decoded, /%[0-9a-f]{2}/i)
      // And the URL parser of browsers and SDKs agrees on where it leads.
      assert.equal(
        new URL(read.path, 'http://x').pathname.replaceAll('%22', '"'),
        read.path.replaceAll('%22', '"'),
      )
    }),
    { numRuns: 5000 },
  )
})
