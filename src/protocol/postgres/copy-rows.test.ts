/** Rows of COPY as a hostile target may send them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldsOf } from './copy-rows.ts'
import { Violation } from './wire.ts'

for (const format of ['text', 'csv'] as const)
  test(`of a row no more fields are cut than its statement has, in ${format}`, () => {
    const { split } = fieldsOf({ format, delimiter: ',', quote: '"', escape: '"', none: '\\N' })
    const row = Buffer.from(`${','.repeat(1000)}\n`)
    let cut = 0
    row.subarray = (...range) => {
      cut++
      return Buffer.prototype.subarray.apply(row, range)
    }
    const miscounted = (error: unknown) =>
      error instanceof Violation && /number of fields/.test(error.message)
    assert.throws(() => split(row, 3), miscounted)
    assert.ok(cut <= 3, String(cut))
    assert.throws(() => split(Buffer.from('a,b\n'), 3), miscounted)
    assert.deepEqual(split(Buffer.from('a,b,c\n'), 3).map(String), ['a', 'b', 'c'])
  })
