/**
 * The start: what the store has, then what the audit has and the store lost, then what is past. Only after all three
 * may anything be redeemed (invariant 10).
 */
import { step } from '../store/queries.ts'
import type { Store } from '../store/store.ts'
import type { Millis } from '../words.ts'
import { Deadlines } from './deadlines.ts'
import { expire, isOver, watch } from './expiry.ts'
import type { GrantsOptions } from './grants.ts'
import { LiveGrants, REMEMBERED } from './live.ts'
import { LockBook } from './locks.ts'
import type { Parts } from './parts.ts'
import { recover } from './recover.ts'
import { fromRow } from './row.ts'
import { WriteAhead } from './write-ahead.ts'

export async function load(
  options: Required<GrantsOptions>,
): Promise<{ parts: Parts; decoySecret: Uint8Array }> {
  const { store, audit, replay, clock, random, log, grantsPerOwner } = options
  const ahead = new WriteAhead(store, audit)
  const parts: Parts = {
    ahead,
    live: new LiveGrants(),
    locks: new LockBook(ahead, clock, random),
    deadlines: new Deadlines(clock, ids => void expire(ids, parts)),
    clock,
    random,
    log,
    grantsPerOwner,
    changed: [],
  }
  await parts.locks.load()
  await loadGrants(parts)
  const { mended, last } = await recover(replay(await ahead.cursor()), parts)
  if (mended.grants + mended.locks + mended.uses > 0) audit.noted({ type: 'state.recovered', facts: mended })
  setBack(parts, last === undefined ? 0 : Date.parse(last.event.time))
  const past: string[] = []
  for (const held of parts.live.live()) {
    if (isOver(held, parts)) past.push(held.grant.id)
    else watch(held, parts)
  }
  await expire(past, parts)
  await ahead.advance(last?.cursor)
  return { parts, decoySecret: await decoySecret(store, random) }
}

async function loadGrants({ ahead: { store }, live }: Parts): Promise<void> {
  const ended = store.sql.selectFrom('grants').selectAll().where('state', 'not in', ['pending', 'active'])
  const rows = [
    ...(await store.read(ended.orderBy('ended_at', 'desc').limit(REMEMBERED))).toReversed(),
    ...(await store.read(
      store.sql.selectFrom('grants').selectAll().where('state', 'in', ['pending', 'active']),
    )),
  ]
  for (const row of rows)
    live.add({ ...fromRow(row), monoEnd: Number.POSITIVE_INFINITY, open: 0, busy: false })
}

/**
 * The monotonic deadline begins anew at each start. Should the wall clock have been set back meanwhile, the latest time
 * that was written down counts instead, so that a restart gives no grant its time again (attack 45).
 */
function setBack({ live, clock }: Parts, lastWritten: Millis): void {
  let now = Math.max(clock.now(), lastWritten)
  for (const { grant } of live.live()) now = Math.max(now, grant.activatedAt ?? grant.issuedAt)
  for (const held of live.live()) held.monoEnd = clock.mono() + (held.grant.expiresAt - now)
}

/** Kept, so that a stranger's decoy is the same after a restart: a real verifier is (attack 42). */
async function decoySecret(store: Store, random: (size: number) => Uint8Array) {
  const made = { name: 'decoy_secret', value: Buffer.from(random(32)).toString('base64') }
  const { sql } = store
  await store.write(
    step(
      sql
        .insertInto('meta')
        .values(made)
        .onConflict(on => on.column('name').doNothing()),
    ),
  )
  const [row] = await store.read(sql.selectFrom('meta').select('value').where('name', '=', made.name))
  return new Uint8Array(Buffer.from(row?.value ?? made.value, 'base64'))
}
