/**
 * One issuer while the gateway runs: discovery until it succeeds, then its keys. Nothing else of an issuer is ever
 * called, and no admin API. An issuer that is down at the start is tried again in the background; one that answers wrongly
 * ends the start (attack 32).
 */
import type { IssuerConfig } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import { discover, IssuerWrong } from './discovery.ts'
import { type Fetch, whatFailed } from './fetch.ts'
import { createKeys, type Keys } from './keys.ts'

/** What decides which keys hold. Two configurations that agree on it share the keys across a reload. */
export type IssuerKeys = Pick<IssuerConfig, 'name' | 'issuer' | 'algorithms'>

export interface Issuer {
  readonly of: IssuerKeys
  readonly keys: Keys
  /** The first try. Resolves also when nobody answers; throws {@link IssuerWrong}. */
  start(): Promise<void>
  /** Has been reached at least once, and has keys. */
  readonly reached: boolean
  close(): void
}

export interface Surroundings {
  readonly fetch: Fetch
  readonly clock: Clock
  readonly log: Log
}

const firstRetry = 1_000
const lastRetry = 30_000

export function createIssuer(config: IssuerKeys, { fetch, clock, log }: Surroundings): Issuer {
  let keysAt: string | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const keys = createKeys({ url, issuer: config.name, algorithms: config.algorithms, fetch, clock, log })

  async function url(): Promise<string> {
    keysAt ??= await discover(config.issuer, fetch)
    return keysAt
  }

  function retry(wait: number): void {
    if (closed || keys.usable) return
    timer = setTimeout(() => {
      void keys.refresh().then(() => retry(Math.min(wait * 2, lastRetry)))
    }, wait)
    timer.unref()
  }

  return {
    of: config,
    keys,
    get reached() {
      return keys.usable
    },
    async start() {
      try {
        await url()
      } catch (error) {
        if (error instanceof IssuerWrong) throw error
        log.warn(
          { issuer: config.name, failure: whatFailed(error) },
          'the issuer cannot be reached: trying again',
        )
        return retry(firstRetry)
      }
      await keys.refresh()
      retry(firstRetry)
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
