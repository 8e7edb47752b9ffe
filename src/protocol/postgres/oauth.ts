/**
 * OAUTHBEARER (RFC 7628) as PostgreSQL 18's libpq speaks it: the client's message in its exact form, and what a client without
 * a token is told so that it can get one by itself. Pure; whether a token is good the pipeline says.
 */

export const OAUTHBEARER = 'OAUTHBEARER'

/** The client's last word after an error: one ^A. */
export const DUMMY = '\u0001'

export type Bearer = { readonly asks: 'discovery' } | { readonly asks: 'login'; readonly token: string }

// gs2-header without channel binding and without another identity, then key=value pairs, each ended by ^A, and one ^A more.
const MESSAGE = /^[ny],,\u0001((?:[A-Za-z]+=[\x20-\x7e\t\r\n]*\u0001)+)\u0001$/
const SCHEME = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i

/** Reads the client's first message; null where it is not one. */
export function readBearer(message: string): Bearer | null {
  const pairs = MESSAGE.exec(message)?.[1]?.split('\u0001').slice(0, -1)
  const auth = pairs?.filter(pair => pair.startsWith('auth='))
  // Two tokens would let one be judged and the other be meant.
  if (auth?.length !== 1) return null
  const value = auth[0]?.slice('auth='.length) ?? ''
  if (value === '') return { asks: 'discovery' }
  const token = SCHEME.exec(value)?.[1]
  return token === undefined ? null : { asks: 'login', token }
}

/** Where tokens are to be had. `openid` is the scope that every OpenID provider knows. */
export function discoveryOf(issuer: string): string {
  const configuration = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return JSON.stringify({ status: 'invalid_token', 'openid-configuration': configuration, scope: 'openid' })
}
