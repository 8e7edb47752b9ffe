/**
 * A grant from its request to its giving back, whatever happens in between: `connect`, `run` and `config` use it in the
 * middle. Where people must approve it, it is waited for. The first signal gives the grant back; a second one does not
 * wait for that.
 */
import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import { exit } from './exit.ts'
import { type GrantAnswer, giveBack, type RequestOptions, requestGrant } from './grant.ts'
import { visible } from './print.ts'
import { Stop } from './stop.ts'

/** Short: a decision that falls between two calls is a change that the second one waits for in vain. */
const look = '2s'

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Wanted {
  readonly client: Client
  readonly connection: string
  readonly options: RequestOptions
  readonly publicKey?: string | undefined
}

/** `started`: the client starts now, and signals are its own until it has ended. */
export async function holding<T>(
  wanted: Wanted,
  use: (grant: GrantAnswer, started: () => void) => Promise<T>,
): Promise<T> {
  using signals = onSignals()
  const asked = await requestGrant(wanted.client, wanted.connection, wanted.options, wanted.publicKey)
  try {
    const grant = await approved(wanted, asked, signals.aborted)
    return await use(grant, () => {
      signals.aborted.throwIfAborted()
      signals.off()
    })
  } finally {
    signals.on()
    await giveBack(wanted.client, asked)
  }
}

/** The grant to keep: given back only where it does not become active. */
export async function keeping(wanted: Wanted): Promise<GrantAnswer> {
  using signals = onSignals()
  const asked = await requestGrant(wanted.client, wanted.connection, wanted.options, wanted.publicKey)
  try {
    return await approved(wanted, asked, signals.aborted)
  } catch (error) {
    await giveBack(wanted.client, asked)
    throw error
  }
}

/** The grant once it is active, with a credential. Says what it waits for; throws where the answer is no. */
async function approved(
  { client, publicKey }: Pick<Wanted, 'client' | 'publicKey'>,
  asked: GrantAnswer,
  signal: AbortSignal,
): Promise<GrantAnswer> {
  signal.throwIfAborted()
  if (asked.state === 'active') return asked
  const { id, connection, expires_at, decide_by = expires_at } = asked
  console.error(
    visible(`postern: ${id} waits for somebody to approve ${connection}, until ${decide_by} at most`),
  )
  let now = asked
  let isAway = false
  const later = (error: unknown): GrantAnswer => {
    if (!passes(error) || !(Date.now() < Date.parse(decide_by))) throw error
    if (!isAway) console.error(visible(`postern: ${error.message}; asking again until it answers`))
    isAway = true
    return now
  }
  while (now.state === 'pending') {
    const since = Date.now()
    now = await client
      .call<GrantAnswer>('GET', `/v1/grants/${id}?wait=${look}`, undefined, signal)
      .catch(later)
    // A gateway that is shutting down answers at once.
    if (now.state === 'pending' && Date.now() - since < 1_000) await sleep(1_000)
    signal.throwIfAborted()
  }
  if (now.state !== 'active') throw new Stop(exit.no, `${id} is ${now.state}: ${now.ending ?? ''}`)
  // A grant that opens for a key has no password to fetch.
  if (publicKey !== undefined) return now
  const { username, password, env } = await client.call<Renewed>('POST', `/v1/grants/${id}/credential`)
  return { ...now, credential: { username, password }, env }
}

/** A gateway that starts again still has the grant, and those who are asked do not know of a busy minute. */
function passes(error: unknown): error is Stop {
  if (!(error instanceof Stop)) return false
  const { code } = (error.answer ?? {}) as { code?: string }
  return error.exitCode === exit.unavailable || code === 'rate_limited'
}

interface Renewed {
  readonly username: string
  readonly password: string
  readonly env: Readonly<Record<string, string>>
}

function onSignals() {
  const stopping = new AbortController()
  const end = (signal: NodeJS.Signals) => {
    const code = 128 + constants.signals[signal]
    if (stopping.signal.aborted) process.exit(code)
    stopping.abort(new Stop(code, `${signal}: the grant is given back`))
  }
  const off = () => {
    for (const signal of ENDING) process.off(signal, end)
  }
  const on = () => {
    off()
    for (const signal of ENDING) process.on(signal, end)
  }
  on()
  return { aborted: stopping.signal, on, off, [Symbol.dispose]: off }
}
