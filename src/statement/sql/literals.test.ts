import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { loadModule, parseSync, scanSync } from 'libpg-query'
import * as columns from '../../protocol/postgres/vectors/columns.ts'
import { mutant } from '../../protocol/postgres/vectors/mutation.ts'
import * as statements from '../../protocol/postgres/vectors/statements.ts'
import { aroundLiterals, isAround } from './literals.ts'

await loadModule()

const withoutLiterals = (sql: string) => aroundLiterals(sql)?.join('')
/** What literals and their surroundings are made of. */
const char = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...[..." '0123456789abeEnNxXuU&$._-/*();,:=<>+\n\t\r[]%^|!"]) },
  fc.integer({ min: 0, max: 126 }).map(code => String.fromCharCode(code)),
)

test('literals go, all else stays', () => {
  assert.equal(
    withoutLiterals("SELECT abalance FROM t WHERE aid = 4711 and n > -1.5 and x = 'it''s' limit $1;"),
    "SELECT abalance FROM t WHERE aid = 0 and n > -0 and x = '' limit $1;",
  )
})

test('text whose tokens are in any doubt has no such form', () => {
  for (const sql of [
    "select E'a'",
    "select U&'a'",
    "select B'1'",
    "select N'a'",
    'select $$a$$ , 1',
    'select "a", 1',
    'select 1 -- x',
    'select 1 /* x */',
    "select 'a\\'",
    "select 'é'",
    'select é, 1',
    'select 1e5',
    'select 0x1f',
    'select 1_000',
    'select 1..2',
    'select .5',
    'select 1.',
    'select 1abc',
    "select 'a",
    'select 1 where a$1',
    "select 'a'b",
    "select 1'a'",
    'select $1a, 1',
    'select a & 1',
    'select 1 ? 2',
    "select '\0'",
    'select 1\0',
    'select a @ 1',
    'select 1 # 2',
    'select `1`',
    'select ~1',
  ])
    assert.equal(withoutLiterals(sql), undefined, sql)
  assert.equal(withoutLiterals('select a from b'), undefined, 'nothing to take out')
})

/** The tree without the constants' values and without positions. */
function shape(sql: string): unknown {
  const strip = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(strip)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, inner]) => {
        if (/location|_len$|list_start|list_end/.test(key)) return []
        if (key === 'A_Const') return [[key, Object.hasOwn(inner as object, 'sval') ? 'string' : 'number']]
        return [[key, strip(inner)]]
      }),
    )
  }
  return strip(parseSync(sql))
}

test('what has the same form has the same tree, but for the values of its constants', () => {
  const literal = fc.oneof(
    fc.nat().map(String),
    fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `${a}.${b}`),
    fc.string({ maxLength: 12 }).map(text => `'${text.replaceAll("'", "''")}'`),
    fc.constantFrom("'--'", "'/*'", "''''", "';'", "') or 1 = (1'", "'$1'", "'\n'", "'a' \n 'b'"),
  )
  const word = fc.constantFrom(
    ...'select a , from b where ( ) = - + and or like || ; :: text t.a * [ ] order by limit insert into values $1 date interval'.split(
      ' ',
    ),
  )
  const piece = fc.oneof({ weight: 2, arbitrary: word }, literal)
  const sql = fc
    .array(piece, { minLength: 1, maxLength: 10 })
    .chain(all => fc.constantFrom('', ' ', '\n').map(gap => ['select', ...all].join(gap || ' ')))
  let compared = 0
  fc.assert(
    fc.property(sql, text => {
      const form = withoutLiterals(text)
      if (form === undefined) return
      let tree: unknown
      try {
        tree = shape(text)
      } catch {
        return
      }
      assert.deepEqual(shape(form), tree, text)
      compared += 1
    }),
    { numRuns: 10_000 },
  )
  assert.ok(compared > 200, String(compared))
})

/** The server's own lexer: each token's text, its kind alone where it is a constant. */
function tokens(sql: string): readonly string[] {
  return scanSync(sql).tokens.map(({ tokenName, text }) =>
    /^[IF]CONST$/.test(tokenName) ? 'number' : tokenName === 'SCONST' ? 'string' : text,
  )
}

/** The other texts of a form: any literals in the places of its own. */
function alike(form: string, random: () => string): string {
  return form.replace(/(?<![\w$.'])0(?![\w.])|''/g, place =>
    place === '0' ? String(random().length * 7) : `'${random()}'`,
  )
}

test('equal forms have equal tokens to the real lexer, whatever the characters', () => {
  let compared = 0
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 24 }), text => {
      const form = withoutLiterals(text)
      if (form === undefined) return
      let read: readonly string[]
      try {
        read = tokens(text)
      } catch {
        return
      }
      assert.deepEqual(tokens(form), read, JSON.stringify(text))
      compared += 1
    }),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 20_000) },
  )
  assert.ok(compared > 300, String(compared))
})

test('every text of a form has the form, and its tree but for constants', () => {
  const corpus = [
    ...statements.allowedReads,
    ...statements.allowedWrites,
    ...columns.allowedColumns,
    ...columns.refusedColumnWrites,
  ]
  const literals = ['', 'role', 'it', 'secret', 'regclass', '; drop table x', '--', '/*', '$$', '1', 'U&']
  let compared = 0
  fc.assert(
    fc.property(
      fc.noBias(fc.integer()),
      fc.array(fc.constantFrom(...literals), { minLength: 1 }),
      (seed, some) => {
        const text = mutant(seed, corpus)
        const form = withoutLiterals(text)
        if (form === undefined) return
        let at = 0
        const other = alike(form, () => some[at++ % some.length] ?? '')
        assert.equal(withoutLiterals(other), form, `${text}\n${other}`)
        let kinds: readonly string[]
        try {
          kinds = (parseSync(text).stmts ?? []).flatMap(one => Object.keys(one.stmt ?? {}))
        } catch {
          return
        }
        // The facts of all others say that a literal had a part in them.
        if (!kinds.every(kind => /^(Select|Insert|Update|Delete|Merge)Stmt$/.test(kind))) return
        assert.deepEqual(shape(other), shape(text), `${text}\n${other}`)
        compared += 1
      },
    ),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 3_000) },
  )
  assert.ok(compared > 200, String(compared))
})

test('a text is around the same literals just where it has the same form (attack 104)', () => {
  const literal = fc.constantFrom(
    '0',
    '7',
    '12.5',
    '1.',
    "''",
    "'a'",
    "'it''s'",
    "'a\\'",
    '1e5',
    "'x' ",
    'y',
    "'",
    '',
    '--',
    "0'",
  )
  const text = fc.string({ unit: char, maxLength: 6 })
  let same = 0
  fc.assert(
    fc.property(
      text,
      literal,
      text,
      literal,
      text,
      literal,
      literal,
      text,
      (a, one, b, two, c, other, another, d) => {
        const pieces = aroundLiterals(a + one + b + two + c)
        if (pieces === undefined) return
        for (const sql of [a + other + b + another + c, a + one + d + two + c, a + one + b + another + d]) {
          const is: boolean = aroundLiterals(sql)?.join('') === pieces.join('')
          assert.equal(isAround(sql, pieces), is, JSON.stringify([pieces, sql]))
          if (is) same += 1
        }
      },
    ),
    { numRuns: Number(process.env.POSTERN_FUZZ ?? 20_000) },
  )
  assert.ok(same > 30, String(same))
})
