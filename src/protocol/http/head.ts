/**
 * The head of a request as the guard reads it, or why it cannot be one (ATTACKS 134 to 136). Node's strict parser has
 * refused bad framing already; this refuses what two readers would take differently. Pure.
 */
import type { IncomingMessage } from 'node:http'
import { type Refused, refuse } from '../../denial.ts'
import { readTarget } from '../../statement/http/target.ts'
import type { Head } from './guard.ts'
import type { Lowered } from './headers.ts'

/** Of these a message has one, or two readers may each take another. */
const single = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'content-encoding',
  'expect',
])

type Incoming = Pick<IncomingMessage, 'method' | 'url'> & {
  /** HTTP/2: frames say whether there is a body, a Content-Length need not. */
  readonly stream?: { readonly endAfterHeaders: boolean }
}

export function readHead(
  kind: Head['kind'],
  { method = '', url: raw = '', stream }: Incoming,
  rawHeaders: Lowered,
): Head | Refused {
  const found = new Map<string, string>()
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (!single.has(name)) continue
    if (found.has(name))
      return refuse('protocol_violation', `several ${name} headers`, { say: `several ${name} headers` })
    found.set(name, rawHeaders[at + 1] ?? '')
  }
  const coding = found.get('transfer-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return refuse('protocol_violation', `transfer-encoding ${coding.slice(0, 64)}`)
  const stated = found.get('content-length')
  if (stated !== undefined && (coding !== undefined || !/^[0-9]{1,15}$/.test(stated)))
    return refuse('protocol_violation', 'a Content-Length that cannot be relied on')
  const none = stream === undefined ? coding === undefined : stream.endAfterHeaders
  const length = stated !== undefined ? Number(stated) : none ? 0 : undefined
  // RFC 6455 section 4.1, and a GET is what is sent on: it would be judged as another method than it is.
  if (kind === 'upgrade' && method !== 'GET')
    return refuse('protocol_violation', `a request to upgrade by ${method.slice(0, 32)}`, {
      say: 'a WebSocket is asked for by GET',
    })
  if (kind === 'upgrade' && length !== 0)
    return refuse('protocol_violation', 'a request to upgrade that has a body')
  const contentType = found.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  return { kind, method, raw, target: readTarget(raw), rawHeaders, length, contentType }
}
