/**
 * Requests as an attacker sends them: any path, any header as often as wanted, any body, from any of loopback's
 * addresses. Each address has a rate limit of its own and names its try in the audit.
 */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { Answer, Gateway } from '../fixtures/gateway.ts'
import type { FakeOkta } from '../fixtures/issuer.ts'

export interface Sent {
  readonly method?: string
  readonly path?: string
  /** A list sends the header that often. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
  readonly from?: string
}

let sources = 0

/** An address nobody has used yet. */
export function freshSource(): string {
  sources += 1
  return `127.${10 + (sources >> 16)}.${(sources >> 8) & 255}.${sources & 255}`
}

export function send(port: number, sent: Sent): Promise<Answer> {
  const { method = 'GET', path = '/', headers = {}, body, from = freshSource() } = sent
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        localAddress: from,
        method,
        path,
        agent: false,
        timeout: 20_000,
        headers: { connection: 'close', ...headers } as Record<string, string | string[]>,
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.once('error', reject)
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString()
          const said = new Headers()
          for (const [name, value] of Object.entries(response.headers))
            for (const one of [value ?? []].flat()) said.append(name, one)
          const json = /^application\/(problem\+)?json/.test(said.get('content-type') ?? '')
            ? JSON.parse(text)
            : undefined
          resolve({ status: response.statusCode ?? 0, headers: said, text, json })
        })
      },
    )
    asked.once('error', reject)
    asked.once('timeout', () => asked.destroy(new Error('no answer in 20 s')))
    asked.end(body)
  })
}

/** POST /v1/grants with this Authorization header, or these. */
export function ask(
  gateway: Gateway,
  authorization: string | readonly string[],
  body: unknown,
  more: Sent = {},
): Promise<Answer> {
  return send(gateway.ports.http, {
    method: 'POST',
    path: '/v1/grants',
    ...more,
    headers: { authorization, 'content-type': 'application/json', ...more.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

export type AuditLine = Readonly<Record<string, unknown>> & { readonly type: string }

/** The audit as an auditor reads it, newest first. */
export async function audit(
  gateway: Gateway,
  okta: FakeOkta,
  query: Readonly<Record<string, string>> = {},
): Promise<AuditLine[]> {
  const asked = new URLSearchParams({ limit: '50', ...query })
  const answer = await gateway.api('GET', `/v1/audit?${asked}`, okta.person(['postern-auditors']))
  assert.equal(answer.status, 200, answer.text)
  return answer.json
}

export interface Refusal {
  readonly status: number
  readonly code: string
  /** What the audit must say beside the code. */
  readonly why?: RegExp
  /** What the answer must not hold. */
  readonly secrets?: readonly string[]
}

/** One try, refused as told: the answer has the code and nothing secret, the audit one line with the true reason. */
export async function assertRefused(
  at: { gateway: Gateway; okta: FakeOkta },
  how: (from: string) => Promise<Answer>,
  { status, code, why, secrets = [] }: Refusal,
): Promise<void> {
  const from = freshSource()
  const answer = await how(from)
  const all = `${answer.text} ${JSON.stringify([...answer.headers])}`
  assert.equal(`${answer.status} ${answer.json?.code}`, `${status} ${code}`, answer.text)
  for (const secret of secrets.filter(one => one.length > 8))
    assert.ok(!all.includes(secret), `the answer repeats ${secret.slice(0, 12)}…`)
  assert.ok(!/\bat .*\.ts:\d+|node:internal/.test(all), 'the answer shows a stack')
  const lines = (await audit(at.gateway, at.okta)).filter(line => line['source'] === from)
  assert.equal(lines.length, 1, `audit of ${from}: ${JSON.stringify(lines)}`)
  assert.equal(lines[0]?.['reason'], code)
  if (why !== undefined) assert.match(String(lines[0]?.['detail']), why)
}
