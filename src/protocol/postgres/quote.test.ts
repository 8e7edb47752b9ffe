import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { identifier, literal, qualified } from './quote.ts'

let home: Home
let server: TestOrders
before(async () => {
  home = await openHome()
  server = await startPostgres(home)
})
after(() => home.close())

const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const hostile = fc.oneof(
  text,
  fc
    .array(fc.constantFrom('"', "'", '\\', '$$', ';', '--', '/*', '.', '\n', 'A', 'é', '😀', ' '), {
      maxLength: 12,
    })
    .map(all => all.join('')),
)

test('a text comes back from the server as it was quoted', async () => {
  const client = new pg.Client({ connectionString: server.url('postgres') })
  await client.connect()
  const check = fc.asyncProperty(hostile, async said => {
    const value = said.replaceAll('\0', '')
    const { rows } = await client.query(`select ${literal(value)} as it`)
    assert.equal(rows[0].it, value)
  })
  await fc.assert(check, { numRuns: 300 })
  await client.end()
})

test('a name comes back from the server as it was quoted, and is no other name', async () => {
  const client = new pg.Client({ connectionString: server.url('postgres') })
  await client.connect()
  const named = hostile.filter(name => name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= 63)
  const check = fc.asyncProperty(named, async name => {
    const { fields } = await client.query(`select 1 as ${identifier(name)}`)
    assert.equal(fields[0]?.name, name)
  })
  await fc.assert(check, { numRuns: 300 })
  await client.end()
})

test('what would be cut short, or ends a statement, is no name and no text', () => {
  for (const name of ['', 'a\0b', 'x'.repeat(64), 'é'.repeat(32)])
    assert.throws(() => identifier(name), TypeError)
  assert.throws(() => literal('a\0b'), TypeError)
  assert.equal(identifier('é'.repeat(31)), `"${'é'.repeat(31)}"`)
  assert.equal(qualified('a"b', 'C.d'), '"a""b"."C.d"')
})
