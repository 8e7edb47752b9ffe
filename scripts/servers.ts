/** Servers of every supported major of PostgreSQL, one after the other, for what is derived from their catalogues. */
import pg from 'pg'
import { openHome } from '../src/demo/home.ts'
import { everyVersion, startPostgres } from '../test/fixtures/postgres.ts'

/** What is derived from fewer would forget what the others know. */
export const supported = ['14', '15', '16', '17', '18']

export async function everyServer(ask: (client: pg.Client, version: string) => Promise<void>): Promise<void> {
  const missing = supported.filter(version => !everyVersion.includes(version))
  if (missing.length > 0) throw new Error(`no PostgreSQL ${missing.join(', ')} on this machine: make setup`)
  const home = await openHome()
  try {
    for (const version of supported) {
      const server = await startPostgres(home, { version })
      const client = new pg.Client(server.url('postgres'))
      await client.connect()
      await ask(client, version)
      await client.end()
    }
  } finally {
    await home.close()
  }
}
