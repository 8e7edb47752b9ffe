/**
 * COPY TO STDOUT of masked columns, on real servers: what comes out is read back by the server's own COPY FROM, and is what a SELECT
 * shows; and two databases that differ in the masked values alone give the same bytes.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { type At, startServers, versions } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { maskedDoor, rowsOf } from './masked.fixture.ts'
import { asked, bind, copyDone, execute, type Message, parse, RawClient } from './raw.fixture.ts'
import { carried } from './vectors/carried.ts'
import { frame } from './wire.ts'

const world = `
  create domain address as text;
  create table people (id int, plain text, t text, v varchar(200), d address, i int, on_day date);
  create table back (like people);
  create table orders (id int, customer text, total int, email text);
  create table order_items (id int, order_id int, name text, email text);
  insert into order_items select n, n, 'x2', 'x' || n from generate_series(1, 3) n;
  -- Rows come in the order of values, not of their hashes.
  alter role app_ro set enable_hashagg = off;
  alter role app_ro set enable_hashjoin = off;
  alter role app_ro set jit = off;
  grant select on orders, order_items to app_ro;
  grant select on people to app_ro;
  grant select, insert, delete on back to app_ro`

/** What COPY has to escape or to quote, and what looks like its signs. */
const odd = [
  'ann@x.io',
  '',
  ' ',
  '\\N',
  '\\.',
  'NULL',
  'x',
  'a,b;c|d',
  '"quoted" and \'so\'',
  'tab\there',
  'line\nbreak\r\n',
  'back\\slash\\n\\t',
  '\b\f\v',
  'größe 😀@ü.example',
  '***',
  '!"!!"',
  '"',
  'N*@;',
]

const columns = 'id, plain, t, v, d, i, on_day'
const forms = [
  '',
  "(delimiter '|')",
  "(delimiter '*')",
  "(delimiter '@', header false)",
  '(format csv)',
  "(format csv, null 'x', delimiter ';')",
  "(format csv, quote '''', escape '!', null 'NULL')",
  "(format csv, quote '*', escape '\\', delimiter '|')",
  "(format csv, force_quote *, delimiter e'\\t', null '***')",
  '(format binary)',
]

const runs = Number(process.env.POSTERN_FUZZ_COPY ?? 60)
let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, versions, 'people', world)
  for (const version of versions) {
    await at(version).run('postgres', 'create database other template people')
    await fill(version, 'people', odd)
    await fill(version, 'other', [...odd].reverse())
    for (const [database, email] of [
      ['people', "'x' || n"],
      ['other', "'x' || 5 - n"],
    ] as const)
      await at(version).run(
        database,
        `insert into orders select n, 'c' || n % 2, n, ${email} from generate_series(1, 4) n`,
      )
  }
})
after(() => home.close())

/** A row for each value in every column that is masked, and one of nulls. `plain` is the same in every database. */
async function fill(version: string, database: string, values: readonly string[]): Promise<void> {
  const rows = values.map((value, n) => {
    const [text, plain] = [value, odd[n] ?? ''].map(one => `'${one.replaceAll("'", "''")}'`)
    return `(${n}, ${plain}, ${text}, ${text}, ${text}, ${value.length}, date '2026-01-01' + ${value.length})`
  })
  await at(version).run(
    database,
    `delete from people; insert into people values ${rows.join(', ')}, (-1, null, null, null, null, null, null)`,
  )
}

const scope = (strength: string) => ({
  statements: ['select'],
  tables: ['public.people'],
  mask: ['t', 'v', 'd', 'i', 'on_day'].map(column => ({ column: `public.people.${column}`, with: strength })),
})

const copiedOf = (messages: readonly Message[]): Buffer => {
  const error = messages.find(({ type }) => type === 'E')
  if (error !== undefined) throw new Error(`${error.fields.C} ${error.fields.M}`)
  return Buffer.concat(messages.filter(({ type }) => type === 'd').map(({ payload }) => payload))
}

async function direct(version: string): Promise<RawClient> {
  const { port, passwords } = at(version)
  const client = new RawClient(port)
  await client.login('app_ro', passwords.ro, { database: 'people' })
  return client
}

async function readBack(client: RawClient, bytes: Buffer, form: string): Promise<(string | null)[][]> {
  await client.query('delete from back')
  client.send(frame(0x51, `copy back from stdin ${form.replace(', force_quote *', '')}\0`))
  await client.upTo('G')
  client.send(frame(0x64, bytes), copyDone)
  copiedOf(await client.upTo('Z'))
  return rowsOf(await client.query(`select ${columns} from back order by id`))
}

for (const version of versions) {
  for (const strength of ['full', 'partial', 'blank', 'hash']) {
    test(`what COPY gives reads back as what SELECT shows, with: ${strength} (PostgreSQL ${version})`, async () => {
      await using masks = await maskedDoor(at(version), 'people', scope(strength))
      const client = await direct(version)
      const shown = rowsOf(await masks.client.query(`select ${columns} from people order by id`))
      assert.equal(shown.length, odd.length + 1)
      for (const form of forms)
        for (const from of [
          `people (${columns})`,
          `(select ${columns} from people order by id)`,
          `(with p(x, y) as (select t, id from people) select s.id, s.plain, x, s.v, s.d, s.i, s.on_day from (select id, plain, v, d, i, on_day from people) s join p on y = s.id)`,
        ]) {
          const bytes = copiedOf(await masks.client.query(`copy ${from} to stdout ${form}`))
          assert.deepEqual(await readBack(client, bytes, form), shown, `${from} ${form}`)
        }
      client.destroy()
    })
  }

  test(`what is not masked is as the server writes it, header and all (PostgreSQL ${version})`, async () => {
    await using masks = await maskedDoor(at(version), 'people', scope('full'))
    const client = await direct(version)
    for (const form of [...forms, '(format csv, header)', "(format csv, header true, quote '''')"]) {
      for (const from of ['people (plain, id)', '(select s.plain, s.id from (select * from people) s)'])
        assert.deepEqual(
          copiedOf(await masks.client.query(`copy ${from} to stdout ${form}`)),
          copiedOf(await client.query(`copy ${from} to stdout ${form}`)),
          form,
        )
      // Beside a masked one, too.
      const cut = (bytes: Buffer) => bytes.toString('latin1').replaceAll(/"[*]{3}"(?=\n)|'[*]{3}'(?=\n)/g, '')
      if (!form.includes('header)') && !form.includes('header true')) continue
      const ours = cut(
        copiedOf(
          await masks.client.query(`copy (select plain, t from people where id >= 0) to stdout ${form}`),
        ),
      )
      const theirs = copiedOf(
        await client.query(
          `copy (select plain, null::text as t from people where id >= 0) to stdout ${form}`,
        ),
      )
      assert.equal(ours, theirs.toString('latin1'), form)
    }
    client.destroy()
  })

  test(`two databases that differ in masked values alone copy out the same bytes (PostgreSQL ${version})`, async () => {
    await using one = await maskedDoor(at(version), 'people', scope('full'))
    await using two = await maskedDoor(at(version), 'other', scope('full'))
    const character = fc.constantFrom(...('\\"\'\t\n\r,;|*@!Nx. é😀'.match(/./gsu) ?? []))
    const text = fc.oneof(fc.constantFrom(...odd), fc.string({ unit: character, maxLength: 6 }))
    const sign = fc.constantFrom(...'"\'!*|;,@N^'.split(''))
    const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`
    const csv = fc
      .tuple(sign, sign, sign, fc.constantFrom('', 'x', '***', 'NULL', 'ann'), fc.boolean(), fc.boolean())
      .filter(
        ([delimiter, quote, , none]) =>
          delimiter !== quote && !none.includes(delimiter) && !none.includes(quote),
      )
      .map(
        ([delimiter, quote, escapes, none, header, force]) =>
          `(format csv, delimiter ${quoted(delimiter)}, quote ${quoted(quote)}, escape ${quoted(escapes)}, null ${quoted(none)}, header ${header}${force ? ', force_quote *' : ''})`,
      )
    const form = fc.oneof(fc.constantFrom(...forms), csv)
    let compared = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(text, text), { minLength: 18, maxLength: 18 }),
        form,
        async (values, how) => {
          await fill(
            version,
            'people',
            values.map(([value]) => value),
          )
          await fill(
            version,
            'other',
            values.map(([, value]) => value),
          )
          const sql = `copy (select id, plain, t, v, d, i, on_day, e from people, lateral (select t as e) l order by id) to stdout ${how}`
          const [first, second] = [await one.client.query(sql), await two.client.query(sql)]
          assert.deepEqual(
            first.map(({ type, payload }) => `${type} ${payload.toString('latin1')}`),
            second.map(({ type, payload }) => `${type} ${payload.toString('latin1')}`),
            sql,
          )
          if (first.some(({ type }) => type === 'd')) compared++
        },
      ),
      { numRuns: runs },
    )
    assert.ok(compared > runs / 2, String(compared))
    await fill(version, 'people', odd)
  })

  test(`what sub-selects and CTEs carry is copied out masked, and tells nothing (PostgreSQL ${version})`, async t => {
    const given = {
      statements: ['select'],
      tables: ['public.orders', 'public.order_items'],
      mask: [{ column: 'public.orders.email', with: 'full' }],
    }
    await using one = await maskedDoor(at(version), 'people', given)
    await using two = await maskedDoor(at(version), 'other', given)
    let copied = 0
    await fc.assert(
      fc.asyncProperty(fc.noBias(fc.integer()), fc.constantFrom(...forms), async (seed, how) => {
        const sql = `copy (${carried(seed).sql}) to stdout ${how}`
        const [first, second] = (await Promise.all([one, two].map(({ client }) => client.query(sql)))).map(
          answers =>
            answers.map(({ type, payload, fields }) => `${type} ${fields.C ?? payload.toString('latin1')}`),
        )
        assert.deepEqual(first, second, sql)
        if (first?.some(one => /^d .*[*]{3}/.test(one))) copied++
      }),
      { numRuns: runs * 10 },
    )
    t.diagnostic(`${copied} had masked fields`)
    assert.ok(copied > runs, String(copied))
  })

  test(`of two columns of a name the mask of the nearest holds (PostgreSQL ${version})`, async () => {
    const masks = { statements: ['select'], tables: ['public.orders', 'public.order_items'] }
    const nearest = { column: 'public.orders.email', with: 'full', filter: true }
    const outer = { column: 'public.order_items.email', with: 'partial' }
    await using door = await maskedDoor(at(version), 'people', { ...masks, mask: [nearest, outer] })
    const from =
      'order_items i, lateral (select email as e, i.email as f from orders) l, lateral (select e as g) k limit 1'
    const bytes = copiedOf(await door.client.query(`copy (select l.e, l.f, k.g from ${from}) to stdout`))
    assert.equal(bytes.toString(), '***\tx***\t***\n')
  })

  test(`a column that may be a masked one is not copied out as NULL without a word (PostgreSQL ${version})`, async () => {
    const mask = [{ column: 'public.orders.customer', with: 'full' }]
    const tables = ['public.orders', 'public.order_items']
    await using door = await maskedDoor(at(version), 'people', { statements: ['select'], tables, mask })
    const copy = (name: string) =>
      door.client.query(
        `copy (select o.id, l.x from orders o, lateral (select ${name} as x from order_items i where i.id = o.id) l where o.id = 1) to stdout`,
      )
    assert.equal(copiedOf(await copy('i.name')).toString(), '1\tx2\n')
    const may = await copy('customer')
    assert.throws(
      () => copiedOf(may),
      /42501 .*public.orders.customer is masked, and a name here may mean it/,
    )
  })

  test(`a copy is cut, counted and recorded as the client got it (PostgreSQL ${version})`, async () => {
    await using masks = await maskedDoor(at(version), 'people', { ...scope('full'), max_rows: 5 })
    const { client, door } = masks
    const sql = 'copy people (id, t) to stdout'
    for (const answers of [
      await client.query(`select 1; ${sql}; select t from people limit 1`),
      await asked(client, parse('', sql), bind('', ''), execute('')),
    ]) {
      const rows = answers.filter(({ type }) => type === 'd')
      assert.deepEqual(rows.map(({ payload }) => payload.toString()).slice(0, 2), ['0\t***\n', '1\t***\n'])
      assert.equal(rows.length, 5)
      const result = door.sessions[0]?.recorder.results().find(({ tag }) => tag === `COPY ${odd.length + 1}`)
      const given = Buffer.concat(rows.map(({ payload }) => frame(0x64, payload)))
      assert.equal(result?.digest, createHash('sha256').update(given).digest('hex'))
      assert.deepEqual([result?.rows, result?.truncated, result?.bytes], [5, true, given.length])
    }
    assert.ok(!client.received.includes('ann@'))
  })

  test(`a copy's rows may come in any pieces, and one that is not held whole ends the session (PostgreSQL ${version})`, async () => {
    await using masks = await maskedDoor(at(version), 'people', scope('partial'))
    await at(version).run(
      'people',
      "insert into people (id, t) values (100, repeat('ä', 3000000)), (101, repeat('b', 17000000))",
    )
    const [long] = (
      await masks.client.query('copy (select t, id from people where id = 100) to stdout csv')
    ).filter(({ type }) => type === 'd')
    assert.equal(long?.payload.toString(), '"ä***",100\n')
    await assert.rejects(
      masks.client.query('copy (select t from people where id = 101) to stdout'),
      /larger than 16 MiB|08P01|ended/,
    )
    await at(version).run('people', 'delete from people where id >= 100')
  })
}
