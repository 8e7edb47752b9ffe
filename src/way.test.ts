import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError, Refused, refuse } from './denial.ts'
import { way } from './way.ts'

interface House {
  readonly told: string[]
}
const refused = async (at: object, { denial }: Refused, house: House) => {
  house.told.push(`${denial.code} after ${Object.keys(at).join(',')}`)
}
const add = (at: { a: number }) => ({ b: at.a + 1 })
const addMore = async (at: { b: number }) => ({ c: at.b + 1 })
const start = () => way<{ a: number }, House>(refused)

test('a way hands each step all that was known before it', async () => {
  assert.deepEqual(await start().step(add).step(addMore).run({ a: 1 }, { told: [] }), { a: 1, b: 2, c: 3 })
})

test('a refusal ends the way and is told once, with what was known', async () => {
  const house = { told: [] as string[] }
  const no = start()
    .step(add)
    .step(() => refuse('locked', 'because'))
    .step(() => assert.fail('a step ran after a refusal'))
  const answer = await no.run({ a: 1 }, house)
  assert.ok(answer instanceof Refused)
  assert.deepEqual(house.told, ['locked after a,b'])
})

test('a refusal inside a joined way is told once, by the outer way', async () => {
  const house = { told: [] as string[] }
  const inner = way<{ b: number }, House>(refused).step(() => refuse('locked', 'because'))
  await start().step(add).join(inner).run({ a: 1 }, house)
  assert.deepEqual(house.told, ['locked after a,b'])
})

test('a step that throws refuses: an error opens nothing', async () => {
  const house = { told: [] as string[] }
  const broken = start().step(function broken() {
    throw new Error('disk on fire')
  })
  const answer = await broken.run({ a: 1 }, house)
  assert.ok(answer instanceof Refused)
  assert.equal(answer.denial.code, 'internal_error')
  assert.match(answer.denial.detail, /broken: Error: disk on fire/)
})

test('a gateway error keeps the denial it carries', async () => {
  const lost = start().step(() => {
    throw new GatewayError({ code: 'upstream_unreachable', detail: 'no lease' }, new Error('cause'))
  })
  const answer = await lost.run({ a: 1 }, { told: [] })
  assert.ok(answer instanceof Refused)
  assert.equal(answer.denial.code, 'upstream_unreachable')
})

test('a step that needs what no earlier step adds does not compile', () => {
  // @ts-expect-error `addMore` needs b, which nobody has added
  start().step(addMore)
  // @ts-expect-error a joined way needs b as well
  start().join(way<{ b: number }, House>(refused).step(addMore))
})
