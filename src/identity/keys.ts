/**
 * One issuer's keys, fetched when they are needed: jose's `createRemoteJWKSet` in its numbers (one fetch in flight, 30 s
 * before an unknown kid fetches again, 10 min of age), and two things it does not do: the last good keys stay for a
 * bounded time while the issuer is down, and a failing issuer is asked again only after a pause (attacks 28-30; [J5]).
 */
import type { Algorithm } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import { type Fetch, fetchJson, whatFailed } from './fetch.ts'
import { type Key, readKeys } from './jwks.ts'
import { shown } from './shown.ts'

/** A key that its issuer withdrew is refused after this long at the latest (attack 30). */
export const maxAge = 10 * 60_000
/** Attack 29: ten thousand made-up kids cause one fetch in this time. */
export const cooldown = 30_000
/** After a failure; also what one hanging issuer can cost its callers: five seconds in ten. */
export const pause = 5_000
/** How long the last good keys hold while their issuer is down: a day, within which Okta's own outages ended. */
export const lastGood = 24 * 60 * 60_000

const longestKid = 256

export interface Keys {
  /** The one key that this kid names for this algorithm. */
  find(kid: unknown, alg: Algorithm): Promise<Key | Refused>
  /** Fetches now, unless that is under way. Never throws. */
  refresh(): Promise<void>
  readonly usable: boolean
}

export interface KeySource {
  /** Where the keys are; throws while the issuer's discovery has not succeeded. */
  readonly url: () => Promise<string>
  readonly issuer: string
  readonly algorithms: readonly Algorithm[]
  readonly fetch: Fetch
  readonly clock: Clock
  readonly log: Log
}

export function createKeys(source: KeySource): Keys {
  const { clock, log, issuer } = source
  let keys: readonly Key[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let failedAt = Number.NEGATIVE_INFINITY
  let failure = 'not fetched yet'
  let fetching: Promise<void> | undefined

  const age = () => clock.mono() - fetchedAt
  const usable = () => keys.length > 0 && age() < lastGood

  async function load(): Promise<void> {
    try {
      const url = await source.url()
      keys = keysIn(await fetchJson(source.fetch, url), url, source.algorithms)
      fetchedAt = clock.mono()
      failedAt = Number.NEGATIVE_INFINITY
    } catch (error) {
      failedAt = clock.mono()
      failure = whatFailed(error)
      log.warn(
        { issuer, failure, kept: usable() ? keys.length : 0 },
        "the issuer's keys could not be fetched",
      )
    }
  }

  function refresh(): Promise<void> {
    fetching ??= load().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  async function refreshIfOlder(than: number): Promise<boolean> {
    if (age() < than || clock.mono() - failedAt < pause) return false
    await refresh()
    return true
  }

  return {
    refresh,
    get usable() {
      return usable()
    },
    async find(kid, alg) {
      // A kid is compared and nothing else: never a path, a query or a property's name (attack 4).
      if (kid !== undefined && (typeof kid !== 'string' || kid.length > longestKid)) {
        return refuse('token_key_unknown', `kid ${shown(kid)} is not a name`)
      }
      await refreshIfOlder(maxAge)
      if (!usable()) return refuse('issuer_unreachable', `no usable keys of issuer ${issuer}: ${failure}`)
      const found = pick(keys, kid, alg)
      if (found !== undefined) return found
      if (kid !== undefined && (await refreshIfOlder(cooldown))) {
        const now = pick(keys, kid, alg)
        if (now !== undefined) return now
      }
      return refuse(
        'token_key_unknown',
        kid === undefined
          ? `no kid, and the issuer has ${keys.length} keys`
          : `kid ${shown(kid)} names no key of issuer ${issuer} for ${alg}`,
      )
    },
  }
}

function keysIn(document: unknown, url: string, algorithms: readonly Algorithm[]): readonly Key[] {
  try {
    return readKeys(document, algorithms)
  } catch (cause) {
    throw new Error(`${url}: ${whatFailed(cause)}`, { cause })
  }
}

/** Exactly one, or none: two keys under one name, or no name and two keys, is nothing to try in turn (attack 5). */
function pick(keys: readonly Key[], kid: string | undefined, alg: Algorithm): Key | undefined {
  const named = keys.filter(
    key => (kid === undefined || key.kid === kid) && (key.alg === undefined || key.alg === alg),
  )
  return named.length === 1 ? named[0] : undefined
}
