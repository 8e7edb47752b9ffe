/**
 * An access token -> who is calling, or why not. The order is STANDARDS.md section 1's and stands here once; each check
 * is its own pure file in `checks/`. Trusts the configuration, the clock and the keys an issuer publishes; trusts nothing
 * the token says until its signature has verified, except which of OUR issuers it claims.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Config, IssuerConfig } from '../config/config.ts'
import { Refused } from '../denial.ts'
import type { Identity } from '../words.ts'
import type { ShownToken } from './authorization.ts'
import { createTokenCache, type Remembered, type TokenCache } from './cache.ts'
import { checkAlgorithm, checkFits } from './checks/algorithm.ts'
import { maxToken, readForm } from './checks/form.ts'
import { chooseIssuer } from './checks/issuer.ts'
import { checkSignature } from './checks/signature.ts'
import { checkExpiry } from './checks/times.ts'
import { checkType } from './checks/type.ts'
import { readIdentity } from './identity.ts'
import { createIssuer, type Issuer, type Surroundings } from './issuer.ts'
import { member } from './json.ts'

export type Trusted = Pick<Config, 'issuers' | 'people'>

export interface Verifier {
  verify(shown: ShownToken): Promise<Identity | Refused>
  /** Seen to be good before, under the configuration in force. Whether it still is, `verify` says. */
  remembers(token: string): boolean
  /** Tries every issuer once. Throws where one answers wrongly; one that is down is tried again in the background. */
  start(): Promise<void>
  /** Every issuer has been reached. For /readyz. */
  ready(): boolean
  /** A new configuration, whole or, when this throws, not at all. Forgets every remembered token. */
  updated(config: Trusted): Promise<void>
  close(): void
}

/** One configured issuer and the keys it signs with. */
interface Trust {
  readonly config: IssuerConfig
  readonly issuer: Issuer
}

/** What one configuration makes. Replaced whole: a check that began under the old one cannot leave anything in the new. */
interface State {
  readonly trusts: readonly Trust[]
  readonly people: Trusted['people']
  readonly cache: TokenCache<Remembered<Trust>>
}

export function createVerifier(at: Trusted & Surroundings): Verifier {
  let state = build(at, [])

  /** Keys that hold on are kept: a reload while the issuer is down locks nobody out. */
  function build(config: Trusted, before: readonly Trust[]): State {
    const trusts = [...config.issuers.values()].map(config => {
      const same = before.find(({ issuer }) => isDeepStrictEqual(issuer.of, keysOf(config)))
      return { config, issuer: same?.issuer ?? createIssuer(keysOf(config), at) }
    })
    return { trusts, people: config.people, cache: createTokenCache() }
  }

  return {
    async verify(shown) {
      const now = state
      const digest = digestOf(shown.token)
      const remembered = await recall(now, shown, digest)
      return remembered ?? judge(now, shown, digest)
    },
    remembers: token => state.cache.get(digestOf(token)) !== undefined,
    async start() {
      await Promise.all(state.trusts.map(({ issuer }) => issuer.start()))
    },
    ready: () => state.trusts.every(({ issuer }) => issuer.reached),
    async updated(config) {
      const before = state.trusts.map(({ issuer }) => issuer)
      const next = build(config, state.trusts)
      const after = next.trusts.map(({ issuer }) => issuer)
      const fresh = after.filter(issuer => !before.includes(issuer))
      try {
        await Promise.all(fresh.map(issuer => issuer.start()))
      } catch (error) {
        for (const issuer of fresh) issuer.close()
        throw error
      }
      for (const issuer of before) if (!after.includes(issuer)) issuer.close()
      state = next
    },
    close() {
      for (const { issuer } of state.trusts) issuer.close()
    },
  }

  async function recall(
    now: State,
    shown: ShownToken,
    digest: string,
  ): Promise<Identity | Refused | undefined> {
    const entry = now.cache.get(digest)
    if (entry === undefined || shown.scheme !== 'bearer') return undefined
    const expired = checkExpiry(entry.identity.expiresAt, at.clock.now(), entry.trust.config.clockTolerance)
    if (expired !== undefined) {
      now.cache.delete(digest)
      return expired
    }
    const key = await entry.trust.issuer.keys.find(entry.kid, entry.alg)
    if (!(key instanceof Refused) && key.thumbprint === entry.thumbprint) return entry.identity
    now.cache.delete(digest)
    return undefined
  }

  async function judge(now: State, shown: ShownToken, digest: string): Promise<Identity | Refused> {
    const form = readForm(shown.token)
    if (form instanceof Refused) return form
    const wrongType = checkType(form.header)
    if (wrongType !== undefined) return wrongType
    const trust = chooseIssuer(form.claims, now.trusts)
    if (trust instanceof Refused) return trust
    const alg = checkAlgorithm(form.header, trust.config.algorithms)
    if (alg instanceof Refused) return alg
    const kid = member(form.header, 'kid')
    const key = await trust.issuer.keys.find(kid, alg)
    if (key instanceof Refused) return key
    const forged = checkFits(alg, key.key) ?? (await checkSignature(shown.token, key.key, alg))
    if (forged !== undefined) return forged
    const identity = readIdentity(form.claims, {
      config: trust.config,
      // An issuer that is trusted for agents alone must not make an operator by naming the people's client.
      people: now.people?.issuers.includes(trust.config.name) ? now.people.clients : [],
      scheme: shown.scheme,
      now: at.clock.now(),
      tokenDigest: digest,
    })
    if (identity instanceof Refused) return identity
    hintAtLimit(trust.config, identity)
    now.cache.set(digest, { identity, trust, kid, alg, thumbprint: key.thumbprint })
    return identity
  }

  function hintAtLimit(config: IssuerConfig, { groups, client }: Identity): void {
    if (groups.length !== oktaLimit || config.clientGroups.has(client)) return
    at.log.warn(
      { issuer: config.name, client },
      'a token has exactly 100 groups: Okta may have cut the list; filter the groups claim',
    )
  }
}

/** Length before hashing: an enemy's megabytes are not even read (attack 24). */
const digestOf = (token: string): string =>
  token.length > maxToken ? '' : createHash('sha256').update(token).digest('hex')

/** Okta's `Groups.*` functions give at most this many (attack 18). */
const oktaLimit = 100

const keysOf = ({ name, issuer, algorithms }: IssuerConfig) => ({ name, issuer, algorithms })
