/**
 * Which of a client's headers go on: those of an allow-list, after everything reserved has been taken out in every
 * spelling (ATTACKS 136 to 139; GHSA-862h: strip the whole reserved namespace first, then set). Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { inNames } from '../../statement/http/names.ts'

/** Flat, as Node and undici take them: name, value, name, value. */
export type FlatHeaders = string[]

/**
 * What says how a client likes its answer, or describes its body: goes on unasked. Not so Range: of two answers each could hold a
 * part of the lease's value, and neither the value (attack 141).
 */
const usual = new Set([
  'accept',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'date',
  'grpc-encoding',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'idempotency-key',
  'last-event-id',
  'prefer',
  'pragma',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-request-id',
])

/** Never a client's to set, whatever a scope lists. `_` counts as `-`: servers that make variables of them see one name. */
const reserved = new Set([
  // hop by hop, and what frames a message (attacks 134, 137)
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['content-length', 'expect', 'host', 'http2-settings', 'max-forwards', 'accept-encoding'],
  // credentials: exactly one arrives, the lease's (attack 138)
  ...['authorization', 'cookie', 'cookie2', 'dpop'],
  // what would say who or where the client is (attack 136)
  ...['forwarded', 'via', 'x-real-ip', 'true-client-ip', 'client-ip', 'x-client-ip', 'x-cluster-client-ip'],
  // another method or path than the one that was judged (attack 139)
  ...['x-http-method-override', 'x-http-method', 'x-method-override', 'x-original-method'],
  ...['x-original-url', 'x-rewrite-url', 'x-original-uri', 'x-original-host', 'x-host', 'x-override-url'],
  ...['x-sendfile', 'x-url-scheme', 'front-end-https', 'destination'],
])
const reservedPrefixes = [
  'proxy-',
  'x-forwarded',
  'x-accel-',
  'x-postern-',
  'x-amz-security-',
  'x-envoy-',
  'x-internal-',
  'impersonate-',
  'x-remote-',
  'sec-',
  ':',
]

export function isReserved(name: string): boolean {
  const plain = name.replaceAll('_', '-')
  return reserved.has(plain) || reservedPrefixes.some(prefix => plain.startsWith(prefix))
}

declare const low: unique symbol
/** Flat, and every name in lower case: a name in another spelling would slip past the lists above. */
export type Lowered = readonly string[] & { readonly [low]: true }

/** Node's rawHeaders: looked through many times, lowered once. */
export function lowered(raw: readonly string[]): Lowered {
  const out: FlatHeaders = []
  for (let at = 0; at + 1 < raw.length; at += 2) out.push((raw[at] ?? '').toLowerCase(), raw[at + 1] ?? '')
  return out as readonly string[] as Lowered
}

/**
 * What of a client's headers goes on; their names are in lower case. `listed` is the scope's list; `taken` are names that
 * the lease or the protocol will set.
 */
export function sieve(
  headers: Lowered,
  listed: readonly string[],
  taken: (name: string) => boolean,
): FlatHeaders {
  const hop = connectionNames(headers)
  const out: FlatHeaders = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!usual.has(name) && !(listed.length > 0 && inNames(listed, name))) continue
    if (isReserved(name) || hop.includes(name) || taken(name.replaceAll('_', '-'))) continue
    out.push(name, headers[at + 1] ?? '')
  }
  return out
}

/** The names that a Connection header makes hop by hop: ours to drop, before anything of ours is added. */
function connectionNames(headers: readonly string[]): readonly string[] {
  return valuesOf(headers, 'connection').flatMap(value =>
    value.split(',').map(name => name.trim().toLowerCase()),
  )
}

/** All values of one header, in order: Node joins or drops doubles, an upstream may read the other one. */
export function valuesOf(headers: readonly string[], wanted: string): readonly string[] {
  let values: string[] | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at] !== wanted) continue
    values ??= []
    values.push(headers[at + 1] ?? '')
  }
  return values ?? none
}

const none: readonly string[] = []

/** For whoever looks single headers up: of a name that comes twice both values, joined. */
export function headersByName(flat: FlatHeaders): IncomingHttpHeaders {
  const named: Record<string, string> = {}
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const [name = '', value = ''] = [flat[at], flat[at + 1]]
    named[name] = named[name] === undefined ? value : `${named[name]}, ${value}`
  }
  return named
}
