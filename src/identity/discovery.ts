/**
 * An issuer's own description of itself (OpenID Connect Discovery section 4, RFC 8414) -> where its keys are. Judged, not
 * believed: it must name this issuer exactly, and keep its keys on its own origin (attack 32).
 */
import { Unfit } from '../unfit.ts'
import { type Fetch, fetchJson, whatFailed } from './fetch.ts'
import { isObject } from './json.ts'

/** The issuer answers, and what it says cannot be trusted. Ends a start or a reload; waiting does not mend it. */
export class IssuerWrong extends Unfit {
  constructor(issuer: string, why: string) {
    super(`issuer ${issuer}: ${why}`)
    this.name = 'IssuerWrong'
  }
}

/** Okta serves both below the issuer; it lacks RFC 8414's path-inserted form (STANDARDS.md section 1). */
const places = ['openid-configuration', 'oauth-authorization-server']

/** The URL of the issuer's keys. Throws {@link IssuerWrong}, or another error where nobody answered well. */
export async function discover(issuer: string, fetch: Fetch): Promise<string> {
  const failures: string[] = []
  for (const place of places) {
    let document: unknown
    try {
      document = await fetchJson(fetch, `${issuer.replace(/\/$/, '')}/.well-known/${place}`)
    } catch (error) {
      failures.push(whatFailed(error))
      continue
    }
    return keysUrl(issuer, document)
  }
  throw new Error(failures.join('; '))
}

export function keysUrl(issuer: string, document: unknown): string {
  if (!isObject(document)) throw new IssuerWrong(issuer, 'its discovery document is not an object')
  if (document['issuer'] !== issuer) {
    throw new IssuerWrong(
      issuer,
      `its discovery document is of another issuer, ${JSON.stringify(document['issuer'])}. If you mean that one, copy it, byte for byte`,
    )
  }
  const uri = document['jwks_uri']
  const url = typeof uri === 'string' ? URL.parse(uri) : null
  if (url === null) throw new IssuerWrong(issuer, 'its discovery document has no jwks_uri')
  if (url.username !== '' || url.password !== '')
    throw new IssuerWrong(issuer, 'its jwks_uri holds a password')
  // The same origin, so https stays https and plain http stays on the loopback address that the configuration allowed.
  if (url.origin !== new URL(issuer).origin) {
    throw new IssuerWrong(issuer, `its jwks_uri is on another host, ${url.origin}`)
  }
  return url.href
}
