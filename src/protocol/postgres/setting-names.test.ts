/** `current_setting($1)`: the Bind names the setting, so the Bind is judged; on a real server, and on lying bytes. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { startPostgres, type TestOrders } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, guardOf, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { bind, execute, parse, query, RawClient, sync } from './raw.fixture.ts'
import { namesSettings } from './setting-names.ts'
import { dataRow, frame, int32 } from './wire.ts'

let home: Home
let orders: TestOrders
let door: OpenDoor
let client: RawClient
before(async () => {
  home = await openHome()
  orders = await startPostgres(home)
  door = await openDoor({
    target: { host: '127.0.0.1', port: orders.port, database: 'orders', tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: orders.passwords.ro },
    scope: scopeOf({ statements: ['select'], tables: ['public.orders'] }),
    guardFor: (scope, own) => createGuard(scope, analyser, new VerdictCache(), own),
  })
  client = new RawClient(door.port)
  await client.login(door.grant, door.password, { database: 'orders' })
})
after(async () => {
  client?.destroy()
  await door?.close()
  await home?.close()
})

/** What comes back, or the SQLSTATE. */
async function ask(sql: string, ...values: string[]): Promise<string | null | undefined> {
  client.send(parse('', sql), bind('', '', values), execute(''), sync)
  const answers = await client.upTo('Z')
  const error = answers.find(({ type }) => type === 'E')
  if (error !== undefined) return error.fields.C
  const row = answers.find(({ type }) => type === 'D')
  return row === undefined ? undefined : (dataRow(row.payload)[0]?.toString() ?? null)
}

test('a setting that SHOW shows is shown, whoever spells it, and another is not', async () => {
  assert.equal(await ask('select current_setting($1)', 'default_table_access_method'), 'heap')
  assert.equal(await ask('select current_setting($1::varchar)', 'Server_Encoding'), 'UTF8')
  assert.equal(await ask('select current_setting($2, true) where $1 = 1', '1', 'server_encoding'), 'UTF8')
  for (const setting of [
    'data_directory',
    'DATA_DIRECTORY',
    'hba_file',
    'app.secret',
    '',
    'server_encoding ',
  ])
    assert.equal(await ask('select current_setting($1)', setting), '42501', setting)
  assert.equal(await ask('select current_setting($1), current_setting($2)', 'datestyle', 'hba_file'), '42501')
  assert.equal(await ask('select current_setting($1)'), '42501')
  assert.equal(await ask('select 1'), '1')
  const refused = door.sessions[0]?.recorder.lines.filter(line => line.allow === false)
  assert.equal(refused?.length, 8)
  assert.equal(refused?.[0]?.statement?.text, 'select current_setting($1)')
})

test('each Bind of a statement is judged, and a refused one fails its pipeline and its transaction', async () => {
  const named = (value: string): Buffer[] => [bind('', 'held', [value]), execute('')]
  client.send(parse('held', 'select current_setting($1)'), ...named('datestyle'), ...named('hba_file'))
  client.send(...named('datestyle'), sync)
  assert.equal(await client.shape(), '1 2 D C E Z')
  await client.query('begin')
  client.send(...named('hba_file'), sync)
  assert.equal((await client.upTo('Z')).at(-1)?.payload.toString(), 'E')
  await client.query('rollback')
  client.send(...named('datestyle'), sync)
  assert.equal(await client.shape(), '2 D C Z')
})

test('an EXECUTE gives a parsed current_setting($1) no name that no Bind showed', async () => {
  const caller = new RawClient(door.port)
  try {
    await caller.login(door.grant, door.password, { database: 'orders' })
    // As long as nothing asks so under a name, an EXECUTE is one.
    assert.match((await caller.query('prepare p as select 1; execute p')).at(-2)?.type ?? '', /C/)
    caller.send(parse('e', "execute s('work_mem', 'A')"), parse('', "execute s('work_mem', 'A')"), sync)
    assert.equal(await caller.shape(), '1 1 Z')
    caller.send(parse('s', 'select current_setting($1, true) where current_setting($1) > $2'), sync)
    assert.equal(await caller.shape(), '1 Z')
    const code = async (...frames: Buffer[]): Promise<string | undefined> => {
      caller.send(...frames)
      return (await caller.upTo('Z')).find(({ type }) => type === 'E')?.fields.C
    }
    for (const sql of [
      "execute s('work_mem', 'A')",
      "select 1; execute s('work_mem', 'A')",
      // One row or none tells what a guess is worth.
      "explain (analyze) execute s('work_mem', 'A')",
      'execute e',
    ]) {
      assert.equal(await code(query(sql)), '42501', sql)
      if (!sql.includes(';'))
        assert.equal(await code(parse('', sql), bind('', ''), execute(''), sync), '42501', sql)
    }
    assert.equal(await code(bind('', 'e'), execute(''), sync), '42501')
    caller.send(bind('', 's', ['datestyle', 'A']), execute(''), sync)
    assert.equal(await caller.shape(), '2 D C Z')
    assert.ok(!/\dMB/.test(caller.received.toString('latin1')))
  } finally {
    caller.destroy()
  }
})

test('where no Bind gives the value, or another than it is used, no parameter will do', async () => {
  const guard = guardOf({ statements: ['select'], tables: ['public.orders'], catalog: true })
  for (const sql of [
    'prepare p(text) as select current_setting($1)',
    'prepare p as select 1 from (select current_setting($1)) x',
    'select current_setting($1::int::text)',
    'select current_setting($1::regclass::text)',
    "select current_setting($1 || '')",
    'select current_setting(lower($1))',
    'select current_setting($1::evil.text)',
    'select current_setting($1, $2, $3)',
  ])
    assert.equal((await guard.judge(sql)).allow, false, sql)
})

test('bytes that lie name nothing', () => {
  const body = (...values: readonly (string | null)[]): Buffer =>
    frame(
      0x42,
      '\0\0',
      Uint8Array.of(0, 1, 0, 1, 0, values.length),
      ...values.flatMap(value => (value === null ? [int32(-1)] : [int32(value.length), value])),
      Uint8Array.of(0, 0),
    ).subarray(7)
  const whole = body('7', 'datestyle')
  assert.ok(namesSettings(whole, 0, whole.length, [2]))
  assert.ok(!namesSettings(whole, 0, whole.length, [1]))
  assert.ok(!namesSettings(whole, 0, whole.length, [3]))
  assert.ok(!namesSettings(body(null), 0, 12, [1]))
  for (let end = 0; end < whole.length - 2; end++) assert.ok(!namesSettings(whole, 0, end, [2]), `${end}`)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 3 }), (bytes, which) => {
      const text = Buffer.from(bytes)
      if (namesSettings(text, 0, text.length, [which]))
        assert.match(text.toString('latin1').toLowerCase(), /[a-z_]{3}/)
    }),
  )
})

test('a Bind of tens of thousands of parameters is read once, whatever number of them names settings', () => {
  const count = 20_000
  let searched = 0
  const which = Object.assign(new Array<number>(5_000).fill(count), {
    includes: (n: number) => {
      searched++
      return n === count
    },
  })
  const nulls = Buffer.alloc(4 * (count - 1), 0xff)
  const bind = Buffer.concat([
    Buffer.from([0, 0, count >> 8, count & 255]),
    nulls,
    int32(8),
    Buffer.from('timezone'),
  ])
  assert.equal(namesSettings(bind, 0, bind.length, which), true)
  assert.equal(namesSettings(bind, 0, bind.length - 1, which), false)
  assert.equal(searched, 0)
})
