/** A store on a real disk, clocks that tests move, and an audit double that keeps its lines and can be told to fail. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Audit, AuditEvent, Cursor } from '../audit/event.ts'
import { Refused } from '../denial.ts'
import { openStore, type Store } from '../store/store.ts'
import { createLog } from '../telemetry/log.ts'
import type { Clock, Identity, Narrowed } from '../words.ts'
import { type Grants, openGrants } from './grants.ts'
import type { Decided, Issued } from './issue.ts'
import type { Replayed } from './recover.ts'

export const MINUTE = 60_000

export class TestClock implements Clock {
  wall = Date.UTC(2026, 2, 1, 12)
  ticks = 1_000
  now = () => this.wall
  mono = () => this.ticks
  pass(ms: number) {
    this.wall += ms
    this.ticks += ms
  }
}

export class TestAudit implements Audit {
  readonly lines: { cursor: Cursor; event: AuditEvent & { time: string } }[] = []
  readonly #clock: Clock
  failing = false
  /** Awaited before a decision is on disk. */
  slow: () => Promise<void> = () => Promise.resolve()
  constructor(clock: Clock) {
    this.#clock = clock
  }
  async decided(event: AuditEvent): Promise<Cursor> {
    if (this.failing) throw new Error('the audit cannot be written')
    const cursor = this.#add(event)
    await this.slow()
    return cursor
  }
  noted(event: AuditEvent) {
    this.#add(event)
  }
  types() {
    return this.lines.map(line => line.event.type)
  }
  async *replay(since: Cursor | undefined): AsyncGenerator<Replayed> {
    for (const { cursor, event } of [...this.lines]) {
      // As JSON, because that is what a line has been through.
      if (cursor.seq > (since?.seq ?? 0)) yield { cursor, event: JSON.parse(JSON.stringify(event)) }
    }
  }
  #add(event: AuditEvent): Cursor {
    const cursor = { file: 'audit/gw-1.jsonl', seq: this.lines.length + 1 }
    this.lines.push({ cursor, event: { ...event, time: new Date(this.#clock.now()).toISOString() } })
    return cursor
  }
}

export interface House {
  readonly data: string
  readonly clock: TestClock
  readonly audit: TestAudit
  store: Store
  grants: Grants
  perOwner: number
  /** Closes both and opens them again from the same folder. */
  restart(): Promise<void>
  /** Opens both, after whoever closed them did something to the folder. */
  reopen(): Promise<void>
  close(): Promise<void>
}

export async function openHouse(clock: TestClock = new TestClock()): Promise<House> {
  const data = await mkdtemp(join(tmpdir(), 'postern-grant-'))
  const audit = new TestAudit(clock)
  const open = async () => {
    const store = await openStore(data)
    const grants = await openGrants({
      store,
      audit,
      replay: since => audit.replay(since),
      clock,
      random: randomBytes,
      log: createLog('silent'),
      grantsPerOwner: () => house.perOwner,
    })
    return { store, grants }
  }
  const shut = async () => {
    await house.grants.close()
    await house.store.close()
  }
  const house = {
    data,
    clock,
    audit,
    perOwner: 16,
    async restart() {
      await shut()
      Object.assign(house, await open())
    },
    async reopen() {
      Object.assign(house, await open())
    },
    async close() {
      await shut()
      await rm(data, { recursive: true, force: true })
    },
  } as House
  return Object.assign(house, await open())
}

export function identity(of: Partial<Identity> = {}): Identity {
  return {
    issuer: 'okta',
    subject: 'sre-bot',
    client: '0oaAgent1',
    kind: 'agent',
    groups: ['sre-agents'],
    actors: [],
    tokenDigest: 'd'.repeat(64),
    expiresAt: Date.UTC(2026, 2, 1, 13),
    ...of,
  }
}

export function decided(clock: Clock, of: Partial<Decided> = {}): Decided {
  const who = of.identity ?? identity()
  return {
    owner: { issuer: who.issuer, id: who.uid ?? who.subject, client: who.client },
    identity: who,
    request: { connection: 'web-1', reason: 'disk alert' },
    connection: 'web-1',
    protocol: 'ssh',
    verifier: 'sha-256',
    rule: 'sre-agents:web-1',
    scope: { shell: true } as unknown as Narrowed<unknown>,
    narrowed: [],
    expiresAt: clock.now() + 10 * MINUTE,
    endsBy: 'rule',
    sessions: { atOnce: 10 },
    state: 'active',
    ...of,
  }
}

/** The value of something that must not have been refused. */
export function given<T>(value: T | Refused): T {
  if (value instanceof Refused) throw new Error(`refused: ${JSON.stringify(value.denial)}`)
  return value
}

/** The code of something that must have been refused. */
export function codeOf(value: unknown): string {
  return value instanceof Refused ? value.denial.code : 'not refused'
}

export function passwordOf(issued: Issued): string {
  if (issued.password === undefined) throw new Error('no password')
  return issued.password
}
