/**
 * `Location` and its kin on the way back (attack 140). What leads below the target's url leads to `/c/<connection>` for
 * the client; anything else is left as the upstream meant it, without credentials in it. Nothing here follows one. Pure.
 */

export interface Place {
  /** The request's own path upstream, against which a relative one is read. */
  readonly at: string
  /** The target's url, and its path without a slash at the end. */
  readonly target: URL
  readonly base: string
  /** `/c/<connection>`. */
  readonly door: string
}

export function locationFor(value: string, { at, target, base, door }: Place): string | undefined {
  const own = new URL(at, target)
  if (!URL.canParse(value, own)) return undefined
  const url = new URL(value, own)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  url.username = ''
  url.password = ''
  const inside =
    url.origin === target.origin &&
    (base === '' || url.pathname === base || url.pathname.startsWith(`${base}/`))
  return inside ? `${door}${url.pathname.slice(base.length)}${url.search}${url.hash}` : url.href
}
