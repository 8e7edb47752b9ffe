import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { caps, checkCaps } from './caps.ts'

const codeOf = (sql: string) => checkCaps(sql)?.code

const n = 100_000
/** Attack 103: everything that was seen, or thought, to break the parser. */
const bombs: Readonly<Record<string, string>> = {
  'chained operators': `select 1${'+1'.repeat(9_000)}`,
  'more chained operators': `select 1${'+1'.repeat(64_000)}`,
  'chained ORs': `select 1${' or 1'.repeat(50_000)}`,
  'open brackets': `select ${'('.repeat(n)}`,
  'nested brackets': `select ${'('.repeat(n)}1${')'.repeat(n)}`,
  'nested calls': `select ${'f('.repeat(2_000)}${')'.repeat(2_000)}`,
  'nested arrays': `select ${'array['.repeat(2_000)}1${']'.repeat(2_000)}`,
  'a long literal': `select '${'x'.repeat(50 * 1024 * 1024)}'`,
  'nested CASE': `select ${'case when a then '.repeat(1_500)}1${' end'.repeat(1_500)}`,
  'many CTEs': `with a as (select 1)${', b as (select 1)'.repeat(n)} select 1`,
  unions: `select 1, 2${' union select 1, 2'.repeat(3_000)}`,
  joins: `select 1 from a${' join b on true'.repeat(3_000)}`,
  'joins behind commas': `select 1 from a${' join b on true, c'.repeat(3_000)}`,
  negations: `select ${'not '.repeat(3_000)}true`,
  minuses: `select ${'- '.repeat(3_000)}a`,
  casts: `select a${'::int'.repeat(3_000)}`,
  'many statements': 'select 1;'.repeat(10_000),
  savepoints: 'savepoint a;'.repeat(5_000),
  'a chain in a bracket': `select (1, (1${'+1'.repeat(3_000)}))`,
  'a chain behind a comma': `select 1, 2, 3${'+1'.repeat(3_000)}`,
  "a chain behind E'\\''": `select E'\\'', a${'+1'.repeat(3_000)} -- '`,
  'a chain behind a line comment that ends in \\r': `select a -- '\r${'+1'.repeat(3_000)}`,
  'a chain behind a nested comment': `select a /* /* ' */ ' */ ${'+1'.repeat(3_000)}`,
  'a chain behind a dollar quote': `select $a$ ' $b$ $a$ ${'||1'.repeat(3_000)}`,
}

for (const [name, sql] of Object.entries(bombs)) {
  test(`${name}: limit_exceeded`, () => assert.equal(codeOf(sql), 'limit_exceeded'))
}

test('what people write passes', () => {
  for (const sql of [
    '',
    'select 1',
    `select * from t where id in (${Array(5_000).fill('$1').join(', ')})`,
    `insert into t values ${Array(5_000).fill("(1, 'a')").join(', ')}`,
    `select * from t where ${Array(400).fill('a = 1').join(' or ')}`,
    `select '${'(+'.repeat(60_000)}'`,
    `select 1 /* ${'(+'.repeat(60_000)} */`,
    `select $x$ ${'(+'.repeat(60_000)} $x$`,
    `select "${'(+'.repeat(20)}", 'it''s', E'\\\\', U&'\\0061'`,
    'select 1; '.repeat(400),
  ])
    assert.equal(checkCaps(sql), undefined, sql.slice(0, 60))
})

test('text that two readers would read differently is refused', () => {
  assert.equal(codeOf('select 1\0; drop table x'), 'statement_unparsable')
  assert.equal(codeOf('\uFEFFselect 1'), 'statement_unparsable')
  assert.equal(codeOf("select '\uD800'"), 'statement_unparsable')
  assert.equal(codeOf(Buffer.from("select '\xff'", 'latin1').toString('utf8')), 'statement_unparsable')
})

test('bytes count, not characters', () => {
  assert.equal(codeOf(`select '${'é'.repeat(caps.bytes / 2)}'`), 'limit_exceeded')
})

const anything = fc.oneof(
  fc.constantFrom(...'\'"$()[],;*/-\\ \n\0eE'),
  fc.nat(0xffff).map(unit => String.fromCharCode(unit)),
)

test('no text makes the pass fail', () => {
  fc.assert(
    fc.property(fc.string({ unit: anything, maxLength: 200 }), sql =>
      [undefined, 'limit_exceeded', 'statement_unparsable'].includes(codeOf(sql)),
    ),
  )
})
