/** A door to a real server's database under masks, with the real guard, and what a client of bytes reads of its rows. */

import { VerdictCache } from '../../statement/sql/cache.ts'
import { type OpenDoor, openDoor } from './door.fixture.ts'
import { analyser, scopeOf } from './guard.fixture.ts'
import { createGuard } from './guard.ts'
import { asked, describePortal, execute, type Message, parse, RawClient } from './raw.fixture.ts'
import { dataRow, frame } from './wire.ts'

export interface Masked extends AsyncDisposable {
  readonly client: RawClient
  readonly door: OpenDoor
}

export async function maskedDoor(
  server: { readonly port: number; readonly passwords: { readonly ro: string } },
  database: string,
  scope: object,
): Promise<Masked> {
  const door = await openDoor({
    target: { host: '127.0.0.1', port: server.port, database, tls: { mode: 'disable' } },
    lease: { user: 'app_ro', password: server.passwords.ro },
    scope: scopeOf(scope),
    guardFor: (narrowed, own) => createGuard(narrowed, analyser, new VerdictCache(), own),
  })
  const client = new RawClient(door.port)
  await client.login(door.grant, door.password, { database })
  return {
    client,
    door,
    async [Symbol.asyncDispose]() {
      client.destroy()
      await door.close()
    },
  }
}

/** How a client asks for rows. */
export const ways = ['simple', 'bound as text', 'bound as binary'] as const

export async function rowsBy(way: (typeof ways)[number], client: RawClient, sql: string) {
  if (way === 'simple') return rowsOf(await client.query(sql))
  const format = way === 'bound as binary' ? 1 : 0
  const bound = frame(0x42, '\0\0', Uint8Array.of(0, 0, 0, 0, 0, 1, 0, format))
  return rowsOf(await asked(client, parse('', sql), bound, describePortal(''), execute('')))
}

/** Rows as text, null where NULL; an error as its words. */
export function rowsOf(messages: readonly Message[]): (string | null)[][] {
  const error = messages.find(({ type }) => type === 'E')
  if (error !== undefined) throw new Error(`${error.fields.C} ${error.fields.M}`)
  return messages
    .filter(({ type }) => type === 'D')
    .map(({ payload }) => dataRow(payload).map(value => value?.toString() ?? null))
}
