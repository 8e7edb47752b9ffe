import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import pg from 'pg'
import { type Home, openHome } from '../../../src/demo/home.ts'
import { type At, everyVersion, startServers } from '../../../test/fixtures/postgres.ts'
import { missing } from '../../../test/fixtures/run.ts'
import { catalogueColumns, catalogueRelations } from '../../statement/sql/catalogue.gen.ts'
import { catalogueByHand } from '../../statement/sql/catalogue-by-hand.ts'
import { otherFunctions, vettedFunctions } from '../../statement/sql/functions.gen.ts'
import { allows, guardOf, refuses, refusesAll } from './guard.fixture.ts'
import { allowedCatalogue, refusedCatalogue } from './vectors/catalogue.ts'

const scope = { statements: ['select'], tables: ['public.orders'] }
const showing = guardOf({ ...scope, catalog: true })
const without = guardOf(scope)

let home: Home
let at: At
before(async () => {
  home = await openHome()
  at = await startServers(home, everyVersion)
})
after(() => home.close())

test('what drivers, ORMs and tools ask the catalogue is permitted under catalog: true', () =>
  allows(showing, allowedCatalogue))
test('what others said, passwords, files, settings and values are refused all the same', () =>
  refusesAll(showing, '', refusedCatalogue))

test('without catalog: true all of it is refused, and says what it needs', async () => {
  await refusesAll(without, '', [...allowedCatalogue, ...refusedCatalogue])
  await refuses(without, [
    { sql: 'select relname from pg_class', say: 'it needs catalog: true' },
    { sql: 'select * from information_schema.tables', say: 'it needs catalog: true' },
    { sql: "select to_regclass('orders')", say: 'is not vetted: it needs catalog: true' },
    { sql: "select 'orders'::regclass", say: 'without catalog: true' },
  ])
})

/** What psql itself asks for a backslash command. */
function asked(url: string, command: string): readonly string[] {
  const said = execFileSync('psql', ['-X', '-E', '-c', command, url], { encoding: 'utf8', stdio: 'pipe' })
  const queries = [...said.matchAll(/\*\*\* QUERY \*\*\*+\n(.*?)\n\*{20,}/gs)].map(([, query = '']) => query)
  assert.ok(queries.length > 0, `${command} asks nothing`)
  return queries
}

for (const version of everyVersion) {
  test(`psql's \\d family works on PostgreSQL ${version} under catalog: true, and only then`, {
    skip: missing('psql'),
  }, async () => {
    const url = at(version).url('orders')
    const commands =
      String.raw`\d;\d+;\d orders;\d+ orders;\d order_items;\d order_view;\d+ order_view;\d orders_pkey;\dt;\dt+;\dv;\dv+;\di;\di+;\ds;\dm;\dn;\dn+;\df;\df peek;\du;\dg;\dT;\dT+;\dx;\dp;\z;\ddp;\dD;\dC;\do;\da;\dA;\dAc;\dc;\dL;\dF;\dF+ english;\dFd;\dFp;\dFt;\dE;\des;\dew;\dy;\dP;\dP+;\dRp;\dX;\dS;\d pg_class`.split(
        ';',
      )
    for (const command of commands) {
      const queries = asked(url, command)
      await allows(showing, queries)
      for (const query of queries) assert.ok(!(await without.judge(query)).allow, query)
    }
    for (const command of [
      String.raw`\df+ peek`,
      String.raw`\sf peek`,
      String.raw`\drds`,
      String.raw`\dRs`,
    ]) {
      const verdicts = await Promise.all(asked(url, command).map(query => showing.judge(query)))
      assert.ok(
        verdicts.some(verdict => !verdict.allow),
        command,
      )
    }
  })

  test(`PostgreSQL ${version} runs what is permitted of its catalogue for any role`, async () => {
    const server = at(version)
    const client = new pg.Client({
      host: '127.0.0.1',
      port: server.port,
      database: 'orders',
      user: 'app_ro',
      password: server.passwords.ro,
      options: '-c search_path=pg_catalog,public -c default_transaction_read_only=on',
    })
    await client.connect()
    const wrong: string[] = []
    for (const sql of allowedCatalogue) {
      const values = sql.startsWith('prepare') ? [] : [...new Set(sql.match(/\$\d/g) ?? [])].map(() => null)
      await client.query(sql, values).catch(error => wrong.push(`${sql}\n    ${error.message}`))
    }
    await client.end()
    assert.equal(wrong.join('\n'), '')
  })

  test(`every relation and column of PostgreSQL ${version}'s catalogue is allowed or refused by name`, async () => {
    const { rows } = await at(version).run(
      'orders',
      `select n.nspname as schema, c.relname as name, array_agg(a.attname::text) as columns
       from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
       where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v', 'm', 'p', 'f') group by 1, 2`,
    )
    const unknown: string[] = []
    for (const { schema, name, columns } of rows as {
      schema: 'pg_catalog' | 'information_schema'
      name: string
      columns: string[]
    }[]) {
      const full = `${schema}.${name}`
      const allowed = catalogueByHand.relations[schema].has(name)
      if (allowed === catalogueByHand.refused[schema].test(name) || allowed !== catalogueRelations.has(full))
        unknown.push(full)
      const listed = catalogueColumns[full]
      if (listed === undefined) continue
      for (const column of columns)
        if (listed.columns.includes(column) === listed.barred?.includes(column))
          unknown.push(`${full}.${column}`)
    }
    assert.deepEqual(unknown, [])
  })

  test(`no relation that may be read in PostgreSQL ${version} has a column that sounds of secrets or values`, async () => {
    const { rows } = await at(version).run(
      'orders',
      `select n.nspname || '.' || c.relname as relation, a.attname as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
       where n.nspname in ('pg_catalog', 'information_schema') and a.attnum > 0
         and a.attname ~ '(passw|secret|conninfo|options?$|query|src$|bin$|sqlbody|config$|val$|vals$|_value$|definition$|file)'`,
    )
    const shown = (rows as { relation: string; name: string }[])
      .filter(row => catalogueRelations.has(row.relation))
      .filter(row => catalogueColumns[row.relation]?.barred?.includes(row.name) !== true)
      .map(row => `${row.relation}.${row.name}`)
      .sort()
    // Expressions of the schema itself, options of storage, and ranges of types.
    const known =
      /^(information_schema\.(views\.view_definition|domains\..*|sequences\.((start|minimum|maximum)_value|cycle_option)|tables\..*|views\.check_option|referential_constraints\.match_option|sql_implementation_info\..*|sql_sizing\..*)|pg_catalog\.(pg_aggregate\.agginitval|pg_aggregate\.aggminitval|pg_attrdef\.adbin|pg_constraint\.conbin|pg_views\.definition|pg_matviews\.definition|pg_rules\.definition|pg_sequences\.(start|min|max)_value|pg_auth_members\.(admin|inherit|set)_option|pg_attribute\.attf?dwoptions|pg_attribute\.(attoptions|attbyval)|pg_class\.(reloptions|relfilenode)|pg_type\.(typbyval|typdefaultbin)|pg_index\.indoption|pg_extension\.extconfig))$/
    assert.deepEqual(
      shown.filter(name => !known.test(name)),
      [],
    )
  })

  test(`the functions that read PostgreSQL ${version}'s catalogue exist, are not vetted otherwise, and change nothing`, async () => {
    const { rows } = await at(version).run(
      'orders',
      `select distinct n.nspname || '.' || p.proname as name, p.provolatile = 'v' as volatile
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('pg_catalog', 'information_schema')`,
    )
    const found = new Map(
      (rows as { name: string; volatile: boolean }[]).map(row => [row.name, row.volatile]),
    )
    const odd = [...catalogueByHand.functions].filter(name => {
      const bare = name.replace('pg_catalog.', '')
      return name.startsWith('pg_catalog.') && (vettedFunctions.has(bare) || !otherFunctions.has(bare))
    })
    assert.deepEqual(odd, [])
    const missing = [...catalogueByHand.functions].filter(name => !found.has(name))
    assert.deepEqual(missing, [])
    // They look at files and locks, and so are volatile to the server.
    assert.deepEqual(
      [...catalogueByHand.functions].filter(
        name => found.get(name) && !/_size$|pg_partition_(tree|ancestors)$/.test(name),
      ),
      [],
    )
  })
}
