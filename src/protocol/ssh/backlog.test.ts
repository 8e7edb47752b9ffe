import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Backlog } from './backlog.ts'

test('what is taken is what came, in order, and stays as it is whatever comes', () => {
  const steps = fc.array(
    fc.oneof(fc.record({ push: fc.uint8Array({ maxLength: 6000 }) }), fc.record({ take: fc.nat(9000) })),
  )
  fc.assert(
    fc.property(steps, all => {
      const backlog = new Backlog()
      const taken: Buffer[] = []
      let model = Buffer.alloc(0)
      const came: Uint8Array[] = []
      for (const step of all) {
        if ('push' in step) {
          backlog.push(step.push)
          came.push(step.push)
          model = Buffer.concat([model, step.push])
        } else {
          taken.push(backlog.take(step.take))
          model = model.subarray(step.take)
        }
        assert.equal(backlog.length, model.length)
        assert.equal(backlog.first, model[0])
        const at = model.subarray(0, 4097).indexOf(0x0a)
        assert.equal(backlog.upTo(0x0a, 4097), at < 0 ? undefined : at + 1)
      }
      assert.deepEqual(Buffer.concat([...taken, backlog.take()]), Buffer.concat(came))
    }),
  )
})
