/**
 * An upstream's headers as the client gets them: without what frames a hop, without cookies and challenges of the
 * infrastructure (attack 141), without what would rule the gateway's own origin in a browser (attack 146), and without
 * the lease's values. Pure.
 */
import type { FlatHeaders } from './headers.ts'
import { locationFor, type Place } from './location.ts'
import type { Secrets } from './scrub.ts'

const dropped = new Set([
  // hop by hop; trailers are not passed on
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authentication-info', 'proxy-connection'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'alt-svc'],
  // the infrastructure's session and its challenges are the lease's affair
  ...['set-cookie', 'set-cookie2', 'www-authenticate', 'authentication-info', 'clear-site-data'],
  // they would hold for the gateway's origin
  ...[
    'strict-transport-security',
    'public-key-pins',
    'public-key-pins-report-only',
    'service-worker-allowed',
  ],
  ...['content-security-policy', 'content-security-policy-report-only', 'x-content-type-options', 'refresh'],
  ...['report-to', 'reporting-endpoints', 'nel', 'origin-agent-cluster', 'speculation-rules', 'sourcemap'],
  // commands to a web server in front of us
  ...['x-accel-redirect', 'x-accel-buffering', 'x-accel-charset', 'x-accel-expires', 'x-accel-limit-rate'],
  ...['x-sendfile', 'x-lighttpd-send-file', 'x-reproxy-url'],
])

/** What would not be true of other bytes, or would let an original be guessed by its digest. */
const ofTheBody = new Set([
  'content-length',
  'content-md5',
  'digest',
  'content-digest',
  'repr-digest',
  'etag',
])

const places = new Set(['location', 'content-location'])

/** On every answer at `/c/`: whatever a page from there is, it is nobody on this origin. */
export const guarding: readonly string[] = [
  'content-security-policy',
  'sandbox',
  'x-content-type-options',
  'nosniff',
]

/** `headers` flat, their names in lower case, and no character in them that ends a line: the reader refuses those. */
export function answerHeaders(
  headers: FlatHeaders,
  {
    place,
    secrets,
    isChanged,
  }: { readonly place: Place; readonly secrets: Secrets; readonly isChanged: boolean },
): FlatHeaders {
  const out: FlatHeaders = [...guarding]
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    if (dropped.has(name) || name.startsWith('access-control-')) continue
    if (isChanged && ofTheBody.has(name)) continue
    const text = places.has(name) ? locationFor(value, place) : value
    if (text !== undefined) out.push(name, text)
  }
  // One look at all of them: that a target sends the lease's value back is rare.
  return secrets.mayBeIn(out.join('\n')) ? out.map(text => secrets.inText(text)) : out
}

/** Trailers of HTTP/2, for gRPC: by the same rules. */
export function trailersFor(trailers: FlatHeaders, secrets: Secrets): FlatHeaders {
  const out: FlatHeaders = []
  for (let at = 0; at + 1 < trailers.length; at += 2) {
    const [name = '', value = ''] = [trailers[at], trailers[at + 1]]
    if (!dropped.has(name) && !places.has(name)) out.push(secrets.inText(name), secrets.inText(value))
  }
  return out
}
