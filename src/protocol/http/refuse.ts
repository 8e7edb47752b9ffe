/** Denial -> problem+json (RFC 9457), with the challenge of a door that takes grants. Pure. */
import { STATUS_CODES } from 'node:http'
import { type Denial, denials, sayOf } from '../../denial.ts'
import { guarding } from './answer.ts'
import type { FlatHeaders } from './headers.ts'

export interface Refusal {
  readonly status: number
  readonly headers: FlatHeaders
  readonly body: Buffer
}

/** At a door a wrong credential is what HTTP calls 401, or clients would not say that it is the credential. */
export function statusOf({ code, facts }: Denial): number {
  if (code === 'grant_unknown') return 401
  // Which limit it was decides: a body (413), an answer (502), or too much at once.
  if (code === 'limit_exceeded' && typeof facts?.['status'] === 'number') return facts['status']
  return denials[code].http
}

export function problemOf(denial: Denial): Refusal {
  const status = statusOf(denial)
  const { status: _, ...facts } = denial.facts ?? {}
  const body = Buffer.from(
    JSON.stringify({
      type: `urn:postern:denial:${denial.code}`,
      title: denial.code.replaceAll('_', ' '),
      status,
      detail: sayOf(denial),
      code: denial.code,
      ...facts,
    }),
  )
  return refusalOf(status, 'application/problem+json', body)
}

/** Any protocol's own words for a refusal, in the frame that every answer at `/c/` has. */
export function refusalOf(status: number, contentType: string, body: Buffer): Refusal {
  const headers = [
    ...guarding,
    ...['content-type', contentType, 'content-length', String(body.length), 'cache-control', 'no-store'],
    ...(status === 401
      ? [
          'www-authenticate',
          'Basic realm="postern", charset="UTF-8"',
          'www-authenticate',
          'Bearer realm="postern"',
        ]
      : []),
    ...(status === 429 || status === 503 ? ['retry-after', status === 429 ? '1' : '5'] : []),
  ]
  return { status, headers, body }
}

/** The same as text, for a socket that was to become something else. */
export function refusalText({ status, headers, body }: Refusal): Buffer {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`]
  for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\nconnection: close\r\n\r\n`, 'latin1'), body])
}
