/**
 * Reaching an API: the address is found and judged, the lease becomes headers or a client certificate. Nothing is sent
 * before the first request. The only file of this folder that sees a secret.
 */
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'
import type { Leased } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { Dialling } from '../protocol.ts'
import { isReserved } from './headers.ts'
import { clientCredentials, fetchToken } from './oauth.ts'
import { certified, reach, verifying } from './reach.ts'
import type { HttpScope } from './scope.ts'
import type { Credential, HttpUpstream } from './upstream.ts'

const urlForm = 'must be an http:// or https:// URL without credentials, query or fragment'

export const httpUrl = z.string({ error: urlForm }).transform((text, at): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const bare =
    url !== undefined &&
    url.username === '' &&
    url.password === '' &&
    !/[?#;\\]|%|\/\//.test(text.replace('://', ''))
  if (bare && (url.protocol === 'http:' || url.protocol === 'https:')) return url
  at.addIssue({ code: 'custom', message: urlForm, input: undefined })
  return z.NEVER
})

export const target = z.strictObject({
  url: httpUrl.meta({ description: 'Where the API is; paths of the scope are below it.' }),
  ...verifying,
  http2: z
    .boolean()
    .optional()
    .meta({ description: 'It is spoken to by HTTP/2: what gRPC needs. No WebSockets then.' }),
})

/** A name the gateway may set: none of those that frame a request or that name a hop. */
const header = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9-]+$/, 'must be the name of a header')
  .refine(
    name => /^(authorization|cookie)$/i.test(name) || !isReserved(name.toLowerCase()),
    'this header frames or routes a request, so no lease can be in it',
  )
const user = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^:\0-\x1f\x7f]+$/, 'must be a user name, which has no colon')

const bearer = z.strictObject({ bearer: secretRef })
const named = z.strictObject({ header, value: secretRef })
const basic = z.strictObject({ user, password: secretRef })
const certificate = z.strictObject({ client_certificate: filePath, client_key: secretRef })

const parameter = z.strictObject({
  query: z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9._~-]+$/, 'must be the name of a query parameter'),
  value: secretRef,
})
const line = z
  .string()
  .min(1)
  .max(1024)
  .regex(/^[\x20-\x7e]+$/, 'must be one line of ASCII')
export const oauth = z.strictObject({
  token_url: httpUrl
    .transform(url => url.href)
    .meta({ description: 'Where access tokens come from (OAuth client credentials).' }),
  client_id: line,
  client_secret: secretRef,
  scope: line.optional(),
  audience: line.optional(),
  client_auth: z.enum(['basic', 'post']).default('basic'),
})
const word = z
  .string()
  .max(128)
  .regex(/^[A-Za-z0-9._-]+$/, 'must be a word')
const aws = z.strictObject({
  access_key_id: word,
  secret_access_key: secretRef,
  session_token: secretRef.optional(),
  region: word,
  service: word,
  unsigned_payload: z.boolean().default(false),
})

export const lease = z.union([bearer, named, parameter, basic, certificate, oauth, aws])

export type HttpTarget = z.output<typeof target>
export type HttpLease = z.output<typeof lease>

export async function dial({
  target,
  lease: taken,
  signal,
}: Dialling<HttpTarget, HttpLease, HttpScope>): Promise<HttpUpstream | Refused> {
  return reach(target, signal, ca => credentialOf(taken, ca))
}

async function credentialOf(taken: Leased<HttpLease>, ca: string | undefined): Promise<Credential | Refused> {
  if ('token_url' in taken) {
    return clientToken(taken, ca)
  }
  if ('access_key_id' in taken) {
    const { access_key_id: keyId, region, service, unsigned_payload: unsignedPayload } = taken
    const secret = taken.secret_access_key.revealLine()
    const sessionToken = taken.session_token?.revealLine()
    const secrets = [secret, ...(sessionToken === undefined ? [] : [sessionToken])]
    return { headers: [], secrets, aws: { keyId, secret, sessionToken, region, service, unsignedPayload } }
  }
  if ('query' in taken) {
    const value = taken.value.revealLine()
    return { headers: [], secrets: [value], query: { name: taken.query, value } }
  }
  // The union keeps its forms apart; each has one member that no other has.
  const held = taken as Partial<
    Record<'bearer' | 'value' | 'password' | 'client_key', { revealLine(): string }>
  > &
    Partial<Record<'header' | 'user' | 'client_certificate', string>>
  if (held.bearer !== undefined) {
    const value = held.bearer.revealLine()
    return inHeader('authorization', `Bearer ${value}`, [value])
  }
  if (held.header !== undefined && held.value !== undefined) {
    const value = held.value.revealLine()
    return inHeader(held.header.toLowerCase(), value, [value])
  }
  if (held.user !== undefined && held.password !== undefined) {
    const password = held.password.revealLine()
    const pair = Buffer.from(`${held.user}:${password}`).toString('base64')
    return inHeader('authorization', `Basic ${pair}`, [password, pair])
  }
  if (held.client_certificate !== undefined && held.client_key !== undefined) {
    const key = held.client_key.revealLine()
    const shown = await certified(held.client_certificate, key)
    return shown instanceof Refused ? shown : { headers: [], secrets: [key], ...shown }
  }
  return refuse('upstream_unreachable', 'the lease has no form that this protocol knows')
}

/** The token of an OAuth client: fetched when it is needed first. */
export function clientToken(
  taken: Leased<z.output<typeof oauth>>,
  ca: string | undefined,
): Pick<Required<Credential>, 'headers' | 'secrets' | 'token'> {
  const { token_url, client_id: id, client_secret, scope, audience, client_auth: auth } = taken
  const secret = client_secret.revealLine()
  const endpoint = { url: new URL(token_url), ca }
  const question = clientCredentials({ id, secret, scope, audience, auth })
  return { headers: [], secrets: [secret], token: () => fetchToken(endpoint, question) }
}

function inHeader(name: string, value: string, secrets: readonly string[]): Credential | Refused {
  // A newline in a secret file would end the header and begin another.
  if (!/^[\x20-\x7e\x80-\xff]+$/.test(value))
    return refuse('upstream_unreachable', `the lease's value for ${name} is no header value`)
  return { headers: [[name, value]], secrets }
}
