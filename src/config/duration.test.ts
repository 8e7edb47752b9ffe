import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from './duration.ts'

test('the four forms', () => {
  assert.deepEqual(
    ['30s', '10m', '2h', '1d', '0s'].map(parseDuration),
    [30_000, 600_000, 7_200_000, 86_400_000, 0],
  )
})

// Attack 50.
for (const text of [
  '',
  's',
  '10',
  '-1s',
  '+1s',
  '1.5h',
  '1e3s',
  '10m\n',
  ' 10m',
  '10 m',
  '010m',
  '10M',
  '٣m',
  '１m',
  '1h30m',
  'Infinity',
  'NaNs',
  '9999999d',
  '0x1s',
]) {
  test(`${JSON.stringify(text)} is no duration`, () => {
    assert.equal(parseDuration(text), undefined)
  })
}

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 999_999 }),
      seconds => parseDuration(formatDuration(seconds * 1000)) === seconds * 1000,
    ),
  )
})
