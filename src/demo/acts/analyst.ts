/** Steps 8 to 13: another agent reads what it may read, masked; writes nothing, by no way; and is cut off on time. */
import { granted } from '../agent.ts'
import { type SqlClient, sqlClient } from '../sql.ts'
import type { Outcome, Stage } from '../stage.ts'
import type { World } from '../world.ts'

export async function analyst(stage: Stage, { analystBot, orders }: World): Promise<void> {
  stage.title('AGENT analyst-bot (acts for ada@example.com; its token says: analyst-agents)')
  const count = async (): Promise<number> =>
    Number((await orders.run('orders', 'select count(*) n from orders')).rows[0]?.n)
  const before = await count()
  const answer = await analystBot.request(['orders-db', '--reason', 'weekly numbers'])
  const sql = granted(answer) ? await sqlClient(analystBot, answer) : undefined

  const refused = (statement: string, words: RegExp) =>
    stage.step(statement, async (): Promise<Outcome> => {
      const { rows, error, ms } = await asked(sql, statement)
      const said = `NO  ${error?.sqlstate} ${inBrief(error?.text ?? '')}`
      const kept = error?.sqlstate === '42501' && words.test(error.text)
      return {
        said,
        kept,
        ...took(ms),
        instead: error === undefined ? `it ran: ${rows}` : `${error.sqlstate} ${error.text}`,
      }
    })

  await stage.step('select id, email from orders limit 1', async () => {
    const { rows, error, ms } = await asked(sql, 'select id, email from orders limit 1')
    return {
      said: rows.replace('|', ' | '),
      ...took(ms),
      kept: /^\d+\|[^@]\*+@example\.com$/.test(rows),
      instead: error === undefined ? `not masked: ${rows}` : `${error.sqlstate} ${error.text}`,
    }
  })
  await refused('delete from orders', /select/i)
  await refused('with x as (delete from orders) select 1', /delete/i)
  await refused("select pg_read_file('/etc/passwd')", /pg_read_file|function/i)
  await stage.step('rows in orders', async () => {
    const after = await count()
    return { said: `before ${before}, after ${after}`, kept: before === 5000 && after === 5000 }
  })
  await stage.step(`a 5 s grant, ${sql?.program ?? 'psql'} left open`, () => cutOnTime(), false)

  async function cutOnTime(): Promise<Outcome> {
    const brief = await analystBot.request(['orders-db', '--ttl', '5s'])
    if (!granted(brief)) return { said: `NO ${brief.code}`, kept: false, instead: JSON.stringify(brief) }
    const client = await sqlClient(analystBot, brief)
    const cut = await client.untilCut('select 1')
    const late = cut.at - Date.parse(brief.expires_at)
    return {
      said: `${cut.sqlstate} grant expired; cut after ${late < 0 ? '' : '+'}${late} ms`,
      kept: cut.sqlstate === '57P01' && /expired/.test(cut.text) && late >= 0 && late < 1000,
      instead: `${cut.sqlstate} ${cut.text} at ${late} ms`,
    }
  }
}

const took = (ms: number | undefined): { ms?: number } => (ms === undefined ? {} : { ms })

/** What was refused, without what is allowed instead: psql shows both. */
const inBrief = (text: string): string =>
  text.replace(/^postern: /, '').replace(/ is not permitted.*|[;:(].*/s, '')

async function asked(sql: SqlClient | undefined, statement: string): ReturnType<SqlClient['query']> {
  if (sql === undefined) return { rows: '', error: { sqlstate: '', text: 'there was no grant' } }
  return sql.query(statement)
}
