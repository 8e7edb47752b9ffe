/**
 * The head of a request as the guard reads it, or why it cannot be one (ATTACKS 134 to 136). Node's strict parser has
 * refused bad framing already; this refuses what two readers would take differently. Pure.
 */
import type { IncomingMessage } from 'node:http'
import { type Refused, refuse } from '../../denial.ts'
import { readTarget } from '../../statement/http/target.ts'
import type { Head } from './guard.ts'
import { valuesOf } from './headers.ts'

/** Of these a message has one, or two readers may each take another. */
const single = ['host', 'content-length', 'transfer-encoding', 'content-type', 'content-encoding', 'expect']

type Incoming = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'httpVersion'>

export function readHead(kind: Head['kind'], request: Incoming): Head | Refused {
  const { rawHeaders, method = '', url: raw = '' } = request
  const values = new Map(single.map(name => [name, valuesOf(rawHeaders, name)]))
  for (const [name, found] of values) {
    if (found.length > 1)
      return refuse('protocol_violation', `several ${name} headers`, { say: `several ${name} headers` })
  }
  const of = (name: string) => values.get(name)?.[0]
  const coding = of('transfer-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return refuse('protocol_violation', `transfer-encoding ${coding.slice(0, 64)}`)
  const stated = of('content-length')
  if (stated !== undefined && (coding !== undefined || !/^[0-9]{1,15}$/.test(stated)))
    return refuse('protocol_violation', 'a Content-Length that cannot be relied on')
  const length = coding === undefined ? Number(stated ?? 0) : undefined
  if (kind === 'upgrade' && length !== 0)
    return refuse('protocol_violation', 'a request to upgrade that has a body')
  const contentType = of('content-type')?.split(';')[0]?.trim().toLowerCase()
  return { kind, method, raw, target: readTarget(raw), rawHeaders, length, contentType }
}
