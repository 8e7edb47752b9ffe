/**
 * An issuer for tests: a real HTTP server with real keys that signs whatever a test asks for, in the clothes of an Okta
 * custom authorization server. It can also lie, hang, redirect and fail, as the attacks have it.
 */
import { createHmac, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { IssuerConfig } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface TestIssuer extends AsyncDisposable {
  readonly url: string
  readonly config: IssuerConfig
  readonly keys: Map<string, { publicKey: KeyObject; privateKey: KeyObject }>
  /** Requests so far, by path. */
  readonly hits: string[]
  /** Replaces the key set's answer. */
  keySet: Answer | undefined
  /** Replaces the discovery document. */
  document: ((honest: Record<string, unknown>) => unknown) | undefined
  down: boolean
  addKey(kid: string): void
  claims(over?: Record<string, unknown>): Record<string, unknown>
  sign(claims: Record<string, unknown> | string, over?: Signing): string
  token(over?: Record<string, unknown>, signing?: Signing): string
}

export interface Signing {
  readonly header?: Record<string, unknown>
  readonly key?: KeyObject
}

/** Rounded to a second, as issuers round. */
export const start = Math.floor(Date.parse('2026-03-01T12:00:00Z'))

export class TestClock implements Clock {
  at = start
  now(): number {
    return this.at
  }
  mono(): number {
    return this.at
  }
}

export class TestLog implements Log {
  readonly lines: string[] = []
  debug = (...line: unknown[]): void => void this.lines.push(JSON.stringify(line))
  info = this.debug
  warn = this.debug
  error = this.debug
}

export const base64url = (value: unknown): string =>
  (Buffer.isBuffer(value)
    ? value
    : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  ).toString('base64url')

/** One pair for the whole test run: making RSA keys is the slowest thing here. */
const pair = (modulusLength = 2048) => generateKeyPairSync('rsa', { modulusLength })
const first = pair()

export const jwk = (key: KeyObject, over: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...key.export({ format: 'jwk' }),
  use: 'sig',
  alg: 'RS256',
  ...over,
})

export async function startTestIssuer(over: Partial<IssuerConfig> = {}): Promise<TestIssuer> {
  const server = createServer((request, response) => answer(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth2/default`
  const keys = new Map([['k1', first]])
  const json = (response: ServerResponse, value: unknown) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
  const answer: Answer = (request, response) => {
    const path = request.url ?? ''
    self.hits.push(path)
    if (self.down) return void response.destroy()
    if (path.includes('/.well-known/')) {
      const honest = { issuer: url, jwks_uri: `${url}/v1/keys`, token_endpoint: `${url}/v1/token` }
      return json(response, self.document?.(honest) ?? honest)
    }
    if (path.endsWith('/v1/keys')) {
      if (self.keySet !== undefined) return self.keySet(request, response)
      return json(response, { keys: [...keys].map(([kid, { publicKey }]) => jwk(publicKey, { kid })) })
    }
    response.statusCode = 404
    response.end()
  }
  const self: TestIssuer = {
    url,
    keys,
    hits: [],
    keySet: undefined,
    document: undefined,
    down: false,
    config: {
      name: 'okta',
      issuer: url,
      audience: ['api://postern'],
      groupsClaim: 'groups',
      clientGroups: new Map(),
      algorithms: ['RS256'],
      dpop: 'optional',
      clockTolerance: 5_000,
      ...over,
    },
    addKey(kid) {
      keys.set(kid, pair())
    },
    claims: (claims = {}) => ({
      ver: 1,
      jti: `AT.${randomUUID()}`,
      iss: url,
      aud: 'api://postern',
      iat: start / 1000,
      exp: start / 1000 + 3600,
      cid: '0oaAgent1',
      scp: ['postern'],
      sub: 'agent-7@example.com',
      uid: '00u1',
      groups: ['sre-agents'],
      ...claims,
    }),
    sign(claims, { header = {}, key = first.privateKey } = {}) {
      const head = { alg: 'RS256', kid: 'k1', ...header }
      const input = `${base64url(head)}.${base64url(claims)}`
      if (head.alg.startsWith('HS')) {
        const secret = first.publicKey.export({ type: 'spki', format: 'pem' })
        return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
      }
      return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
    },
    token: (claims, signing) => self.sign(self.claims(claims), signing),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
  return self
}
