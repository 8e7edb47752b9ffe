import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { analyser, newest, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { covers, permits } from './relations.ts'

/** A list that counts how often it is gone through. */
function counted(names: readonly string[]) {
  const list = Object.assign([...names], { times: 0 })
  for (const way of ['some', 'find', 'filter', 'map', 'every'] as const)
    Object.defineProperty(list, way, {
      value: (of: never) => {
        list.times++
        return (names[way] as (of: never) => unknown).call(names, of)
      },
    })
  return list
}

const long = Array.from({ length: 900 }, (_, i) => `public.t${i}`)
const floods = Array.from({ length: 20 }, (_, s) =>
  Array.from({ length: 400 }, (_, i) => `z${s}_${i}`).join(','),
)

test('a statement that names thousands of relations does not go through a long list for each', async () => {
  for (const [what, allow, froms] of [
    ['barred', false, floods],
    ['given', true, [long.slice(0, 450).join(','), long.slice(450).join(',')]],
  ] as const) {
    const tables = counted(long)
    const guard = createGuard(
      { ...scopeOf({ statements: ['select'] }), tables },
      analyser,
      new VerdictCache(),
      newest,
    )
    const verdict = await guard.judge(froms.map(from => `select from ${from}`).join(';'))
    assert.equal(verdict.allow, allow)
    assert.ok(tables.times <= 12, `${what}: ${tables.times} times`)
    if (verdict.allow) continue
    assert.equal(verdict.denial.detail.split(' is not permitted').length - 1, 10)
  }
})

test('a verb that is not permitted names some of the relations that it is about', async () => {
  const guard = createGuard(
    scopeOf({ statements: ['insert'], write_tables: ['public.notes'] }),
    analyser,
    new VerdictCache(),
    newest,
  )
  const verdict = await guard.judge(`select from ${floods[0]}`)
  assert.ok(!verdict.allow)
  assert.match(verdict.denial.detail, /^select on public\.z0_0, .*public\.z0_29, \.\.\. is not permitted/)
})

test('a list permits what one of its entries covers', () => {
  const entries = ['a.b', 'a.*', 'a.pg_x', 'b.b', 'a.b.c', 'pg_a.*']
  const relations = ['a.b', 'a.pg_x', 'a.pg_y', 'b.b', 'b.c', 'a.b.c', 'pg_a.z', 'pg_a.pg_z', 'a.*']
  for (let set = 0; set < 2 ** entries.length; set++) {
    const list = entries.filter((_, i) => set & (1 << i))
    for (const relation of relations)
      assert.equal(
        permits(list, relation),
        list.some(entry => covers(entry, relation)),
        `${list} ${relation}`,
      )
  }
})
