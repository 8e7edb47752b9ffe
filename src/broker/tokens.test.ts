import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Refused, refuse } from '../denial.ts'
import type { Grant } from '../words.ts'
import { createTokenGrants } from './tokens.ts'

/** Grants that take a turn of the loop to make, and what is over of them. */
function issuing() {
  const over = new Set<string>()
  const grants = createTokenGrants()
  let made = 0
  const issue = async () => {
    const grant = { id: `g_${++made}` } as Grant
    await turn()
    return { grant }
  }
  const good = ({ id }: Grant) => !over.has(id)
  const of = async (key: string, by: () => Promise<{ grant: Grant } | Refused> = issue) => {
    const one = await grants.of(key, good, by)
    return one instanceof Refused ? one.denial.code : one.grant.id
  }
  return { over, of, made: () => made }
}
const five = <T>(ask: () => Promise<T>) => Promise.all(Array.from({ length: 5 }, ask))

test('a token has one grant, and one new one when that is over, however many ask in one turn', async () => {
  const { over, of, made } = issuing()
  assert.deepEqual(await five(() => of('a')), Array(5).fill('g_1'))
  assert.equal(await of('b'), 'g_2')
  over.add('g_1')
  assert.deepEqual(await five(() => of('a')), Array(5).fill('g_3'))
  assert.equal(await of('b'), 'g_2')
  assert.equal(made(), 3)
})

test('who waits for a grant that is over when it is made gets another, and all of them the same', async () => {
  const { over, of, made } = issuing()
  over.add('g_1')
  const [first, ...others] = await five(() => of('a'))
  assert.equal(first, 'g_1', 'it is told by whoever made it')
  assert.deepEqual(others, Array(4).fill('g_2'))
  assert.equal(made(), 2)
})

test('a refusal is for those who waited for it; the next asks again', async () => {
  const { of, made } = issuing()
  let asked = 0
  const refused = async () => {
    asked++
    await turn()
    return refuse('limit_exceeded', 'too many')
  }
  assert.deepEqual(await five(() => of('a', refused)), Array(5).fill('limit_exceeded'))
  assert.equal(asked, 1)
  assert.equal(await of('a'), 'g_1')
  assert.equal(made(), 1)
})

test("what fails for one token is no other token's, however many are remembered", async () => {
  const { over, of } = issuing()
  await Promise.all(Array.from({ length: 4095 }, (_, i) => of(`key ${i}`)))
  for (let i = 1; i <= 4095; i++) over.add(`g_${i}`)
  const failing = assert.rejects(
    of('bad', async () => {
      await turn()
      throw new Error('the store is away')
    }),
    /away/,
  )
  assert.equal(await of('good'), 'g_4096')
  await failing
  assert.equal(await of('bad'), 'g_4097')
})
