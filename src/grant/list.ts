/** Grants read from the store: for people, and for owners of what ended long ago. Memory, being ahead, has the last word. */
import type { Grant, GrantState } from '../words.ts'
import { isGrantId } from './id.ts'
import type { Parts } from './parts.ts'
import { fromRow } from './row.ts'

export interface ListQuery {
  readonly state?: GrantState
  readonly connection?: string
  /** Older than this id. */
  readonly before?: string
  /** At most {@link MOST}. */
  readonly limit?: number
}

const MOST = 1_000

export async function findStored(id: string, { ahead: { store } }: Parts): Promise<Grant | undefined> {
  if (!isGrantId(id)) return undefined
  const [row] = await store.read(store.sql.selectFrom('grants').selectAll().where('id', '=', id))
  return row === undefined ? undefined : fromRow(row).grant
}

/** Newest first: ids sort by their time. */
export async function listStored(
  query: ListQuery,
  { ahead: { store }, live }: Parts,
): Promise<readonly Grant[]> {
  const { state, connection, before, limit = 100 } = query
  let rows = store.sql.selectFrom('grants').selectAll().orderBy('id', 'desc')
  if (state !== undefined) rows = rows.where('state', '=', state)
  if (connection !== undefined) rows = rows.where('connection', '=', connection)
  if (before !== undefined) rows = rows.where('id', '<', before)
  const found = await store.read(rows.limit(Math.min(Math.max(1, limit), MOST)))
  return found
    .map(row => live.get(row.id)?.grant ?? fromRow(row).grant)
    .filter(grant => state === undefined || grant.state === state)
}
