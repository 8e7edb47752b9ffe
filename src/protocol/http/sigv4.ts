/**
 * AWS Signature Version 4, in the Authorization header or in a URL ("Signature Version 4 signing process", AWS General Reference). Pure,
 * and our own: two hashes and an order, tested against AWS's published vectors and botocore. What is signed is what is
 * sent: the path in its one form, every header of AWS's own that goes on, and the body's hash.
 */
import { createHmac, hash } from 'node:crypto'
import { type FlatHeaders, valuesOf } from './headers.ts'

/** For one service in one region. */
export interface SigningKey {
  readonly keyId: string
  readonly secret: string
  readonly sessionToken?: string | undefined
  readonly region: string
  readonly service: string
}

export interface AwsKey extends SigningKey {
  /** The body is sent without being signed: for bodies that are not read first, to S3, over TLS. */
  readonly unsignedPayload: boolean
}

export interface Signable {
  readonly method: string
  /** With its query; percent-encoded as it is sent. */
  readonly path: string
  readonly host: string
  /** Those of the client that go on; names in lower case. */
  readonly headers: FlatHeaders
  /** `undefined`: none. */
  readonly body: Buffer | undefined
}

/** Set by the signature alone: a client's own are never passed on. */
export const signatureHeaders: readonly string[] = [
  'authorization',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
]

const empty = hash('sha256', '', 'hex')

/** The headers that the lease adds, `now` in milliseconds. */
export function signature(request: Signable, key: AwsKey, now: number): FlatHeaders {
  const time = timeOf(now)
  const payload = key.unsignedPayload
    ? 'UNSIGNED-PAYLOAD'
    : request.body === undefined
      ? empty
      : hash('sha256', request.body, 'hex')
  const own = ['x-amz-date', time]
  // Everybody takes it, S3 asks for it; AWS's vectors are without.
  if (key.service === 's3' || key.unsignedPayload) own.push('x-amz-content-sha256', payload)
  if (key.sessionToken !== undefined) own.push('x-amz-security-token', key.sessionToken)
  const signed = toSign(request, own)
  const [path = '', query] = split(request.path)
  const { method } = request
  const by = sign(
    key,
    time,
    signed,
    [method, canonicalPath(path, key.service), canonicalQuery(query)],
    payload,
  )
  const names = namesOf(signed)
  const authorization = `${algorithm} Credential=${key.keyId}/${scopeOf(key, time)}, SignedHeaders=${names}, Signature=${by}`
  return [...own, 'authorization', authorization]
}

/**
 * The URL of a GET of a host's root that whoever has it may ask for, with just these headers (names in lower case), for
 * so many seconds.
 */
export function presigned(
  { host, query, headers }: { readonly host: string; readonly query: string; readonly headers: FlatHeaders },
  key: SigningKey,
  seconds: number,
  now: number,
): string {
  const time = timeOf(now)
  const all = ['host', host, ...headers]
  const signed = pairs(all, [...new Set(all.filter((_, at) => at % 2 === 0))])
  const parameters = new URLSearchParams({
    'X-Amz-Algorithm': algorithm,
    'X-Amz-Credential': `${key.keyId}/${scopeOf(key, time)}`,
    'X-Amz-Date': time,
    'X-Amz-Expires': String(seconds),
    'X-Amz-SignedHeaders': namesOf(signed),
    ...(key.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': key.sessionToken }),
  })
  const canonical = canonicalQuery(`${query}&${parameters}`)
  const by = sign(key, time, signed, ['GET', '/', canonical], empty)
  return `https://${host}/?${canonical}&X-Amz-Signature=${by}`
}

type Signed = readonly (readonly [name: string, value: string])[]

function sign(
  key: SigningKey,
  time: string,
  signed: Signed,
  asked: readonly [method: string, path: string, query: string],
  payload: string,
): string {
  const lines = signed.map(([name, value]) => `${name}:${value}`)
  const canonical = [...asked, ...lines, '', namesOf(signed), payload].join('\n')
  const text = [algorithm, time, scopeOf(key, time), hash('sha256', canonical, 'hex')].join('\n')
  return hmac(signingKey(key, time.slice(0, 8)), text).toString('hex')
}

const algorithm = 'AWS4-HMAC-SHA256'
const timeOf = (now: number) => `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
const namesOf = (signed: Signed) => signed.map(([name]) => name).join(';')
const scopeOf = ({ region, service }: SigningKey, time: string) =>
  `${time.slice(0, 8)}/${region}/${service}/aws4_request`

/** Host, what AWS reads, and the body's type. */
function toSign({ host, headers }: Signable, own: FlatHeaders): Signed {
  const all = ['host', host, ...headers, ...own]
  const names = all.filter(
    (name, at) => at % 2 === 0 && (name === 'host' || name === 'content-type' || name.startsWith('x-amz-')),
  )
  return pairs(all, [...new Set(names)])
}

/** Sorted by name, values of one name joined, white space made single. */
function pairs(all: FlatHeaders, names: string[]): Signed {
  const value = (name: string) =>
    valuesOf(all, name)
      .map(text => text.trim().replace(/ +/g, ' '))
      .join(',')
  return names.sort().map(name => [name, value(name)])
}

/** Encoded once more, except for S3: "each path segment must be URI-encoded twice". */
function canonicalPath(path: string, service: string): string {
  const segments = path
    .split('/')
    .map(segment => (service === 's3' ? encode(decode(segment)) : encode(segment)))
  return segments.join('/') || '/'
}

function canonicalQuery(query: string | undefined): string {
  if (query === undefined || query === '') return ''
  return query
    .split('&')
    .filter(part => part !== '')
    .map(part => {
      const equals = part.indexOf('=')
      const [name, value] = equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)]
      return [encode(decode(name.replaceAll('+', ' '))), encode(decode(value.replaceAll('+', ' ')))] as const
    })
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

const split = (path: string) => {
  const mark = path.indexOf('?')
  return mark < 0 ? [path] : [path.slice(0, mark), path.slice(mark + 1)]
}

const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const decode = (text: string) => decodeURIComponent(text)
/** Everything but the unreserved characters of RFC 3986. */
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

function signingKey({ secret, region, service }: SigningKey, day: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), 'aws4_request')
}
