/**
 * AWS Signature Version 4 in the Authorization header ("Signature Version 4 signing process", AWS General Reference). Pure,
 * and our own: two hashes and an order, tested against AWS's published vectors and botocore. What is signed is what is
 * sent: the path in its one form, every header of AWS's own that goes on, and the body's hash.
 */
import { createHmac, hash } from 'node:crypto'
import { type FlatHeaders, valuesOf } from './headers.ts'

export interface AwsKey {
  readonly keyId: string
  readonly secret: string
  readonly sessionToken?: string | undefined
  readonly region: string
  readonly service: string
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
  const time = `${new Date(now).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
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
  const names = signed.map(([name]) => name).join(';')
  const day = time.slice(0, 8)
  const scope = `${day}/${key.region}/${key.service}/aws4_request`
  const [path = '', query] = split(request.path)
  const canonical = [
    request.method,
    canonicalPath(path, key.service),
    canonicalQuery(query),
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    payload,
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', time, scope, hash('sha256', canonical, 'hex')].join('\n')
  const by = hmac(signingKey(key, day), text).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${key.keyId}/${scope}, SignedHeaders=${names}, Signature=${by}`
  return [...own, 'authorization', authorization]
}

/** Host, what AWS reads, and the body's type: sorted by name, values of one name joined, white space made single. */
function toSign({ host, headers }: Signable, own: FlatHeaders): [name: string, value: string][] {
  const all = ['host', host, ...headers, ...own]
  const names = all.filter(
    (name, at) => at % 2 === 0 && (name === 'host' || name === 'content-type' || name.startsWith('x-amz-')),
  )
  const value = (name: string) =>
    valuesOf(all, name)
      .map(text => text.trim().replace(/ +/g, ' '))
      .join(',')
  return [...new Set(names)].sort().map(name => [name, value(name)])
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

function signingKey({ secret, region, service }: AwsKey, day: string): Buffer {
  return hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), 'aws4_request')
}
