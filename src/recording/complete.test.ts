import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { json } from '../ledger/text.ts'
import { parseCast } from './cast.fixture.ts'
import { castHeader } from './cast.ts'
import { completion } from './complete.ts'

test('every beginning of an event is completed to an event, by appending alone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('o', 'i', 'r', 'x'),
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.nat(),
      (code, data, millis) => {
        const whole = Buffer.from(`[${(millis / 1000).toFixed(6)},"${code}",${json(data)}]`)
        for (let length = 1; length <= whole.length; length++) {
          const torn = whole.subarray(0, length)
          const line = Buffer.concat([torn, completion(torn)])
          assert.ok(isUtf8(line), torn.toString('latin1'))
          assert.equal(line.at(-1), 10)
          const event = JSON.parse(line.toString()) as [number, string, string]
          assert.equal(event.length, 3)
          assert.deepEqual(
            [typeof event[0], typeof event[1], typeof event[2]],
            ['number', 'string', 'string'],
          )
        }
      },
    ),
  )
})

test('every beginning of a header is completed to a header', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 8 }), fc.string(), fc.nat(), (title, term, now) => {
      const whole = Buffer.from(castHeader({ cols: 132, rows: 43, term, title }, now, text => text))
      for (let length = 1; length <= whole.length; length++) {
        const torn = whole.subarray(0, length)
        const { header } = parseCast(Buffer.concat([torn, completion(torn)]))
        assert.deepEqual(Object.keys(header), ['version', 'width', 'height', 'timestamp', 'title', 'env'])
      }
    }),
  )
})
