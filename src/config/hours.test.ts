import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseHours } from './hours.ts'

test('days, times and zone', () => {
  assert.deepEqual(parseHours('Mon-Fri 08:00-18:00 Europe/Berlin'), {
    days: [1, 2, 3, 4, 5],
    from: 480,
    to: 1080,
    zone: 'Europe/Berlin',
  })
  assert.deepEqual(parseHours('Sat,Sun 00:00-24:00 UTC'), { days: [0, 6], from: 0, to: 1440, zone: 'UTC' })
  assert.deepEqual(parseHours('Fri-Mon,Wed 09:30-09:31 UTC')?.days, [0, 1, 3, 5, 6])
})

const refused = [
  '',
  'Mon-Fri 08:00-18:00',
  'Mon-Fri 08:00-18:00 Mars/Olympus',
  'mon 08:00-18:00 UTC',
  'Mon- 08:00-18:00 UTC',
  'Mon-Tue-Wed 08:00-18:00 UTC',
  'Mon 8:00-18:00 UTC',
  'Mon 08:60-18:00 UTC',
  'Mon 08:00-24:01 UTC',
  'Mon 08:00-08:00 UTC',
  'Mon 22:00-06:00 UTC',
  'Mon  08:00-18:00 UTC',
  'Mon 08:00-18:00 UTC x',
  ',Mon 08:00-18:00 UTC',
]
for (const text of refused) {
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.equal(parseHours(text), undefined)
  })
}
