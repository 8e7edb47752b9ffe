/** What of the database's own runs though no statement names it: learnt when a session opens, and refused. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { VerdictCache } from '../../statement/sql/cache.ts'
import { gathering, textOf } from '../../statement/sql/unsaid.ts'
import { allows, guardOf, refusesAll } from './guard.fixture.ts'
import { findOwnFunctions, mayFindOwnFunctions, ownFunctions } from './own-functions.ts'

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion, 'unsaid')
})
after(() => home.close())

/** A function that says when it has run. */
const called = (signature: string, gives = 'text', of = "'called'") =>
  `create function ${signature} returns ${gives} language plpgsql
    as $f$ begin perform set_config('own.called', 'called', false); return ${of}; end $f$;`

const world = `
  create type kind as enum ('new', 'old');
  create type point3 as (x int, y int, z int);
  create domain known as text;
  create table people (id int primary key, name text);
  create table tickets (id int primary key, kind kind, at point3);
  create table mails (id int primary key, mail known, alias known);
  create table lists (id int primary key, mails known[]);
  create table plain (id int primary key, n int, body text);
  create type mood as enum ('sad', 'glad');
  create table moods (id int primary key, mood mood);
  create view of_tickets as select id, kind as k from tickets;
  insert into people values (1, 'ann'); insert into tickets values (1, 'new', '(1,2,3)'), (2, 'new', '(1,2,3)');
  insert into mails values (1, 'a', 'b'); insert into lists values (1, '{a}'); insert into plain values (1, 1, 'x');
  insert into moods values (1, 'sad');`

/** Not in the world: a range type brings functions of its own. */
const gaps = `create type gap as range (subtype = int4); create table gaps (id int primary key, gap gap);
  insert into gaps values (1, '[1,3)');`

interface Case {
  readonly made: string
  readonly calls: string
  /** Each runs it. */
  readonly running: readonly string[]
  /** Near it, and not running it: permitted. */
  readonly besides: readonly string[]
}

const cases: readonly Case[] = [
  {
    made: `${called('f(text, text)')} create operator + (leftarg = text, rightarg = text, function = f)`,
    calls: 'public.f',
    running: ["select 'a'::text + 'b'::text", "select 'x' where 'a'::text + 'b'::text = 'called'"],
    besides: ['select 1 operator(pg_catalog.+) 1', "select 1 - 1, 'a' || 'b'"],
  },
  {
    made: `${called('f(kind, text)', 'bool', 'true')} create operator = (leftarg = kind, rightarg = text, function = f);
      ${called('g(kind, kind)', 'bool', 'true')} create operator = (leftarg = kind, rightarg = kind, function = g)`,
    calls: 'public.f',
    running: [
      "select kind = 'zzz'::text from tickets",
      "select kind in ('zzz'::text, 'y'::text) from tickets",
      "select case kind when 'zzz'::text then true end from tickets",
      "select kind = any (array['zzz']) from tickets",
      "select kind in (select 'zzz'::text) from tickets",
      "select nullif(kind, 'zzz'::text) is null from tickets",
      "select not kind is distinct from 'zzz'::text from tickets",
      'select true from tickets a join tickets b using (kind)',
      'select true from tickets a natural join tickets b',
    ],
    besides: [
      "select kind operator(pg_catalog.=) 'new' from tickets",
      "select body from plain where body = 'x' and n in (1, 2)",
      'select id from tickets where id > 1 order by kind',
    ],
  },
  {
    made: `${called('f(kind, text)', 'bool', 'true')} create operator >= (leftarg = kind, rightarg = text, function = f);
      ${called('g(kind, text)', 'bool', 'true')} create operator <= (leftarg = kind, rightarg = text, function = g)`,
    calls: 'public.g',
    running: [
      "select kind between 'y'::text and 'zzz'::text from tickets",
      "select kind between symmetric 'y'::text and 'z'::text from tickets",
    ],
    besides: ["select id from tickets where kind = 'new'"],
  },
  {
    made: `${called('f(point3, point3)')} create operator + (leftarg = point3, rightarg = point3, function = f)`,
    calls: 'public.f',
    running: ['select s + s from (select 1 as x, 2 as y, 3 as z) s'],
    besides: ['select row(1, 2) = row(1, 3)'],
  },
  {
    made: `${called('f(known, known)')} create operator + (leftarg = known, rightarg = known, function = f)`,
    calls: 'public.f',
    running: ["select 'a'::text + 'b'::text", "select 'a' + 'b'"],
    besides: ['select 1 - 1'],
  },
  {
    made: `${called('f(kind, kind)')} create operator |/ (leftarg = kind, rightarg = kind, function = f)`,
    calls: 'public.f',
    running: ["select 'new' |/ 'old'"],
    besides: ['select 1 + 1'],
  },
  {
    made: `${called('f(kind, kind)')} create operator + (leftarg = kind, rightarg = kind, function = f);
      create cast (text as kind) with inout as implicit`,
    calls: 'public.f',
    running: ["select 'new'::text + 'old'::text"],
    besides: ['select 1 - 1'],
  },
  {
    made: `${called('f(kind, kind)')} create operator + (leftarg = kind, rightarg = kind, function = f)`,
    calls: 'public.f',
    running: ["select kind + 'old' from tickets", 'select k + k from of_tickets'],
    besides: ['select n + 1 from plain', 'select id from tickets'],
  },
  {
    made: `${called('f(kind, text)')} create operator + (leftarg = kind, rightarg = text, function = f)`,
    calls: 'public.f',
    running: ["select 'new' + 'b'::text", "select 'new' + body from plain", 'select null + body from plain'],
    besides: ["select body || 'x', n - 1 from plain"],
  },
  {
    made: `${called('f(bool, kind)')} create operator -> (leftarg = bool, rightarg = kind, function = f)`,
    calls: 'public.f',
    running: ["select true -> 'new'"],
    besides: ["select 'x'::text || 'y'"],
  },
  {
    made: `${called('f(kind, int)')} create operator || (leftarg = kind, rightarg = int, function = f)`,
    calls: 'public.f',
    running: ["select 'new' || 5", "select 'new' || n from plain"],
    besides: ['select n + 5 from plain'],
  },
  {
    made: `${called('f(kind, mood)')} create operator + (leftarg = kind, rightarg = mood, function = f)`,
    calls: 'public.f',
    running: ["select 'new' + mood from moods", "select kind + 'sad' from tickets"],
    besides: ['select mood from moods', 'select kind from tickets'],
  },
  {
    made: `${called('f(kind, int)', 'bool', 'true')} create operator = (leftarg = kind, rightarg = int, function = f)`,
    calls: 'public.f',
    running: ['select kind = n from tickets, plain'],
    besides: ['select body from plain where n = 5', "select body from plain where body = 'x'"],
  },
  {
    made: `${gaps} ${called('f(gap_multirange)')} create cast (gap_multirange as text) with function f(gap_multirange)`,
    calls: 'public.f',
    running: ['select range_agg(gap)::text from gaps', "select multirange(gap) || 'x' from gaps"],
    besides: ['select range_agg(gap) from gaps', 'select body::text from plain'],
  },
  {
    made: `${gaps} ${called('f(gap_multirange, gap_multirange)')} create operator + (leftarg = gap_multirange, rightarg = gap_multirange, function = f)`,
    calls: 'public.f',
    running: ['select multirange(gap) + multirange(gap) from gaps'],
    besides: ['select gap * gap from gaps', 'select n + 1 from plain'],
  },
  {
    made: `${called('pg_catalog.f(text, text)')} create operator pg_catalog.+ (leftarg = text, rightarg = text, function = pg_catalog.f)`,
    calls: 'pg_catalog.f',
    running: ["select 'a'::text + 'b'::text", "select 'a'::text operator(pg_catalog.+) 'b'::text"],
    besides: ['select 1 - 1'],
  },
  {
    made: `${called('f(people)')} create cast (people as text) with function f(people)`,
    calls: 'public.f',
    running: [
      'select p::text from people p',
      'select (p.*)::text from people p',
      'select s.p::text from (select p from people p) s',
      'select cast(p as text) from people p',
      'select p.quote_literal from people p',
      "select p || 'x'::text from people p",
      "select 'x'::text || p from people p",
      'select quote_nullable(p) from people p',
      'select (array_agg(p)::text[])[1] from people p',
      'update people set name = people::text returning name',
      'select (select p::text) from people p',
    ],
    besides: [
      'select id::text, name::text from people',
      'select p from people p',
      'select p.* from people p',
      'select k::text from of_tickets',
    ],
  },
  {
    made: `${called('f(people)')} create cast (people as text) with function f(people) as implicit`,
    calls: 'public.f',
    running: [
      'select lower(p) from people p',
      'select p.lower from people p',
      'select length(p) from people p',
      'update people set name = people returning name',
    ],
    besides: ['select lower(name), id::text from people', 'select p.* from people p', 'select * from people'],
  },
  {
    made: `${called('f(kind)', 'json', `'"called"'`)} create cast (kind as json) with function f(kind)`,
    calls: 'public.f',
    running: [
      'select to_json(kind) from tickets',
      'select jsonb_build_array(k) from of_tickets',
      'select row_to_json(s) from (select kind from tickets) s',
    ],
    besides: ['select to_jsonb(name) from people', 'select row_to_json(p) from people p'],
  },
  {
    made: `${called('f(kind)', 'int', '77')} create cast (kind as int) with function f(kind)`,
    calls: 'public.f',
    running: [
      'select kind::int from tickets',
      'select k::int4 from of_tickets',
      'select (array[kind]::int[])[1] from tickets',
      'select cast(s.x as integer) from (select kind as x from tickets) s',
    ],
    besides: [
      'select kind::text, id from tickets',
      "select '1'::int",
      'select n::int from plain',
      'select id from tickets order by kind',
    ],
  },
  {
    made: `${called('f(kind)', 'int', '77')} create cast (kind as int) with function f(kind) as assignment`,
    calls: 'public.f',
    running: [
      'insert into plain (id, n) select 2, kind from tickets limit 1 returning n',
      'select (array[1, 2])[kind] from tickets',
    ],
    besides: ['select id, n::int from plain', 'insert into plain (id, n) values (3, 77)'],
  },
  {
    made: `${called('f(text)', 'kind', "'old'::public.kind")} create cast (text as kind) with function f(text) as implicit`,
    calls: 'public.f',
    running: [
      "update tickets set kind = 'zzz'::text returning kind",
      'insert into tickets (id, kind) select 3, name from people',
    ],
    besides: ["select body || 'x' from plain", 'select name from people', "select 'old' from people"],
  },
  {
    made: `${called('f(point3)')} create cast (point3 as text) with function f(point3)`,
    calls: 'public.f',
    running: ['select "at"::text from tickets'],
    besides: ['select id from tickets', 'select "at" from tickets', 'select body::text from plain'],
  },
  {
    made: `create schema ops; ${called('ops.f(point3, point3)', 'int', '0')} ${called('ops.g(point3, point3)', 'bool', 'true')}
      ${['<', '<=', '=', '>=', '>'].map(sign => `create operator ops.${sign} (leftarg = point3, rightarg = point3, function = ops.g);`).join('')}
      create operator class ops.points default for type point3 using btree as ${['<', '<=', '=', '>=', '>'].map((sign, i) => `operator ${i + 1} ops.${sign}`).join(', ')}, function 1 ops.f`,
    calls: 'ops.f',
    running: ['select id from tickets order by "at"', 'select distinct "at" from tickets'],
    besides: [
      'select id from plain order by n',
      'select distinct name from people',
      'select k from of_tickets order by 1',
    ],
  },
  {
    made: `${called('f(float8, float8)', 'float8', '1')} alter function f(float8, float8) immutable; create type span as range (subtype = float8, subtype_diff = f);
      create table spans (s span); insert into spans select span(n, n + 1) from generate_series(1, 100) n; analyze spans`,
    calls: 'public.f',
    running: ["select s from spans where s && '[3,4)'"],
    besides: ["select '[1,2)'::numrange && '[3,4)'::numrange", 'select id from plain'],
  },
  {
    made: `${called('f(text, text)', 'int', '0')} create operator class words for type text using btree as operator 1 <, operator 3 =, operator 5 >, function 1 f(text, text);
      create type span as range (subtype = text, subtype_opclass = words); create table spans (s span); insert into spans values ('[a,b)')`,
    calls: 'public.f',
    running: ["select s = '[a,b)' from spans", "select s && '[a,b)' from spans"],
    besides: ["select body from plain where body < 'y' order by body"],
  },
  {
    made: `${called('f(bigint)', 'bool', 'true')} create cast (bigint as bool) with function f(bigint)`,
    calls: 'public.f',
    running: ['select 5::bigint::bool', 'select x::bool from (select 5::bigint as x) s'],
    besides: ['select id, true from plain', 'select n::bigint from plain'],
  },
  {
    made: `${called('f(text)', 'bool', 'true')} alter domain known add check (f(value)) not valid`,
    calls: 'public.f',
    running: [
      "select lag(mail, 1, 'zzz') over () from mails",
      "select array[mail] = '{zzz}' from mails",
      "select array(select mail from mails) = '{zzz}'",
      "select array_agg(mail) = '{zzz}' from mails",
      "select array_append(null, mail) = '{zzz}' from mails",
      "select coalesce(m, '(1,zzz,y)') from mails m",
      'select jsonb_populate_record(m, \'{"mail": "zzz"}\') from mails m',
      "select mails = '{zzz}' from lists",
      "select array_position(mails, 'zzz') from lists",
      "select array_replace(mails, 'zzz', 'x') from lists",
      'select jsonb_populate_record(s, \'{"mail": "zzz"}\') from (select mail from mails) s',
      'select json_populate_record(row(mail), \'{"f1": "zzz"}\') from mails',
      'with s as (select mail from mails) select jsonb_populate_recordset(s, \'[{"mail": "zzz"}]\') from s',
      'select jsonb_populate_record(j, \'{"mail": "zzz"}\') from (mails a join plain b using (id)) j',
    ],
    besides: [
      'select mail from mails where id = any (array[1, 2]) or mail = any (array[alias::text])',
      "select array_to_string('{a}'::text[], ','), array_length(array['a', 'b'], 1), mail from mails",
      "select mail, lower(mail) from mails where mail = 'x' and alias in ('a', 'b') order by mail",
      "select coalesce(mail, 'x'), case mail when 'y' then 1 end, nullif(mail, 'z'), greatest(mail, 'g') from mails",
      "select string_agg(mail, ',') from mails group by alias having max(mail) > 'm'",
      "select body || 'x', array[body] = '{x}' from plain",
      "select mail from mails union select 'x'",
      "select lag(body, 1, 'x') over () from plain",
    ],
  },
  {
    made: `${called('f(text)', 'bool', 'true')} create domain inmost as text check (f(value));
      alter domain known add check (value::inmost is not null) not valid`,
    calls: 'public.f',
    running: ["select array[mail] = '{zzz}' from mails", "select mails = '{zzz}' from lists"],
    besides: ["select mail from mails where mail = 'x'", "select array[body] = '{x}' from plain"],
  },
]

/** What is made is made in `public`; names mean what they mean in a session. */
const making = (sql: string) =>
  `set local search_path = public; ${sql}; set local search_path = pg_catalog, public, pg_temp`

const scope = {
  statements: ['select', 'insert', 'update'],
  tables: ['public.*'],
  write_tables: ['public.*'],
}

for (const version of everyVersion) {
  const looks = async (client: pg.Client, schema: string) => {
    const may = (await client.query(mayFindOwnFunctions(schema))).rows.length > 0
    const { rows } = await client.query({ text: findOwnFunctions(schema), rowMode: 'array' })
    assert.ok(may || rows.length === 0, 'the first look overlooks something')
    return { may, own: ownFunctions(Number(version), schema, rows as string[][]) }
  }
  const within = async (work: (client: pg.Client) => Promise<void>) => {
    const client = new pg.Client(at(version).url('unsaid'))
    await client.connect()
    await client.query(`begin; set local client_min_messages = error; ${making(world)}`)
    await work(client).finally(() => client.end())
  }

  test(`PostgreSQL ${version}: what runs without a word is refused unless its function is listed`, async () => {
    const wrong: string[] = []
    for (const { made, calls, running, besides } of cases) {
      await within(async client => {
        assert.equal((await looks(client, 'public')).may, false, 'a close look where there is nothing')
        await client.query(making(made))
        const { own } = await looks(client, 'public')
        const guard = guardOf(scope, new VerdictCache(), own)
        await refusesAll(guard, `may call ${calls}, which is not vetted`, running)
        await allows(guard, besides)
        await allows(
          guardOf(
            { ...scope, functions: ['public.f', 'public.g', 'ops.f', 'ops.g', 'pg_catalog.f'] },
            new VerdictCache(),
            own,
          ),
          [...running, ...besides],
        )
        for (const [sql, runs] of [
          ...running.map(sql => [sql, true] as const),
          ...besides.map(sql => [sql, false] as const),
        ]) {
          await client.query("savepoint s; select set_config('own.called', '', false)")
          const error = await client.query(sql).then(() => '', String)
          const ran =
            error ||
            (await client.query("select current_setting('own.called') as it")).rows[0]?.it === 'called'
          if (ran !== runs) wrong.push(`${made}\n${sql}\n${ran}`)
          await client.query('rollback to s')
        }
      })
    }
    assert.equal(wrong.join('\n'), '')
  })

  test(`PostgreSQL ${version}: a row that is cast by itself is what any function may take`, async () => {
    await within(async client => {
      await client.query(making(`create cast (people as text) with inout as implicit; ${called('f(text)')}`))
      const { own } = await looks(client, 'public')
      const guard = guardOf(scope, new VerdictCache(), own)
      await refusesAll(guard, 'is not vetted', [
        'select p.f from people p',
        'select p.pg_read_file from people p',
      ])
      await allows(guard, ['select p.lower, p.id, p.name from people p'])
      const masked = { ...scope, mask: [{ column: 'public.people.name', with: 'full' }] }
      await refusesAll(guardOf(masked, new VerdictCache(), own), 'whole row', [
        'select p.lower from people p',
      ])
      assert.deepEqual((await client.query('select p.f, p.lower from people p')).rows, [
        { f: 'called', lower: '(1,ann)' },
      ])
    })
  })

  test(`PostgreSQL ${version}: what an extension brings is left to whoever made it`, async t => {
    await within(async client => {
      const { rows } = await client.query("select from pg_available_extensions where name = 'citext'")
      if (rows.length === 0) {
        t.skip('no citext here')
        return
      }
      await client.query(
        making('create extension citext; create domain address as citext check (value ~ $$@$$)'),
      )
      const { own } = await looks(client, 'public')
      assert.deepEqual(own.unsaid, [])
      await allows(guardOf(scope, new VerdictCache(), own), ["select name = 'x' or name ~~ 'y' from people"])
    })
  })

  test(`PostgreSQL ${version}: functions that keep a domain what it is beside a constant, and those that cast, are known`, async () => {
    const client = new pg.Client(at(version).url('unsaid'))
    await client.connect()
    const { rows } = await client.query(`select distinct proname as name from pg_proc p,
        lateral (select array_agg(t::regtype::text) as takes from unnest(p.proargtypes) t) a
      where pronamespace = 'pg_catalog'::regnamespace and proname !~ '(_(transfn|finalfn|multi_final|support)|array_(in|recv))$' and prokind <> 'p'
        and (prorettype::regtype::text in ('anyarray', 'anycompatiblearray') and takes <> '{anyarray}'
          or cardinality(array(select t from unnest(takes) t where t in ('anyelement', 'anynonarray'))) > 1
          or cardinality(array(select t from unnest(takes) t where t like 'anycompatible%')) > 1)`)
    const bodies =
      await client.query(`select distinct proname as name from pg_proc p join pg_language l on l.oid = p.prolang
      where pronamespace = 'pg_catalog'::regnamespace and lanname = 'sql' and exists (select from unnest(proargtypes) t where t::regtype::text like 'any%')`)
    for (const { name } of bodies.rows) assert.match(String(name), textOf)
    const unknown = rows.map(row => String(row.name)).filter(name => !gathering.test(`pg_catalog.${name}`))
    assert.deepEqual(unknown, [])
    await client.end()
  })
}
