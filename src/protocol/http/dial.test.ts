import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { SecretRef } from '../../config/secret.ts'
import { type Home, openHome } from '../../demo/home.ts'
import { Refused } from '../../denial.ts'
import { issueAuthority, issueServer } from '../../listener/certificate.ts'
import type { Issued } from '../../listener/keyfile.ts'
import type { Dialling } from '../protocol.ts'
import { dial, type HttpLease, type HttpTarget } from './dial.ts'
import type { HttpScope } from './scope.ts'
import type { HttpUpstream } from './upstream.ts'

const year = 365 * 86_400_000
let home: Home
let ca: Issued
let server: Issued
let file: (name: string, text: string) => Promise<string>

before(async () => {
  home = await openHome()
  ca = await issueAuthority(Date.now(), year)
  server = await issueServer(ca, ['localhost', '127.0.0.1', 'api.internal'], Date.now(), year / 2)
  file = async (name, text) => {
    await writeFile(join(home.dir, name), text, { mode: 0o600 })
    return join(home.dir, name)
  }
})
after(() => home.close())

/** Answers with what it has learnt of its client. */
async function listen(more: ServerOptions = {}): Promise<number> {
  const https = createServer({ key: server.key, cert: server.cert, ...more }, (request, response) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate()
    const { authorization = '' } = request.headers
    response.end(
      `${authorization}|${request.headers['x-key'] ?? ''}|${peer.fingerprint256 ?? ''}|${request.url}`,
    )
  })
  await new Promise<void>(resolve => https.listen(0, '127.0.0.1', resolve))
  home.onEnd(() => {
    https.closeAllConnections()
    https.close()
  })
  return (https.address() as AddressInfo).port
}

async function lent(lease: object): Promise<object> {
  const entries = Object.entries(lease).map(async ([key, value]) => [
    key,
    value instanceof SecretRef ? await value.resolve() : value,
  ])
  return Object.fromEntries(await Promise.all(entries))
}

async function dialled(target: HttpTarget, lease: object): Promise<HttpUpstream | Refused> {
  const at = { target, lease: await lent(lease), signal: new AbortController().signal }
  return dial(at as Dialling<HttpTarget, HttpLease, HttpScope>)
}

function ask(upstream: HttpUpstream): Promise<string> {
  return new Promise(resolve => {
    let text = ''
    upstream.send(
      { method: 'GET', path: '/x', headers: [], body: undefined },
      {
        onHead: () => undefined,
        onData: chunk => {
          text += chunk.toString()
        },
        onEnd: () => resolve(text),
        onError: error => resolve(`error ${(error as NodeJS.ErrnoException).code}`),
      },
    )
  })
}

test('each form of lease reaches the target over verified TLS', async () => {
  const port = await listen()
  const caFile = await file('ca.pem', ca.cert)
  const secret = new SecretRef(`file:${await file('secret', 's3cret-value\n')}`)
  const target = { url: new URL(`https://127.0.0.1:${port}/api/`), ca: caFile }
  for (const [lease, want] of [
    [{ bearer: secret }, 'Bearer s3cret-value||'],
    [{ header: 'X-Key', value: secret }, '|s3cret-value|'],
    [{ user: 'u', password: secret }, `Basic ${Buffer.from('u:s3cret-value').toString('base64')}||`],
  ] as const) {
    await using upstream = (await dialled(target, lease)) as HttpUpstream
    assert.equal(await ask(upstream), `${want}|/api/x`)
    assert.equal(upstream.secrets.inText('a s3cret-value b'), 'a ************ b')
  }
})

test('an answer that ends while its client takes no more leaves the connection to the next', async () => {
  const target = { url: new URL(`https://127.0.0.1:${await listen()}/`), ca: await file('ca.pem', ca.cert) }
  const bearer = new SecretRef(`file:${await file('secret', 's3cret-value')}`)
  await using upstream = (await dialled(target, { bearer })) as HttpUpstream
  const slowly = () =>
    new Promise<void>((resolve, reject) => {
      const sending = upstream.send(
        { method: 'GET', path: '/', headers: [], body: undefined },
        {
          onHead: () => undefined,
          onData: () => sending.pause(),
          onEnd: resolve,
          onError: reject,
        },
      )
    })
  await slowly()
  await slowly()
  assert.match(await ask(upstream), /^Bearer /)
})

test('a client certificate is shown where it is the lease, and only there', async () => {
  const port = await listen({ requestCert: true, rejectUnauthorized: false })
  const client = await issueServer(ca, ['client.internal'], Date.now(), year / 2)
  const target = { url: new URL(`https://127.0.0.1:${port}/`), ca: await file('ca2.pem', ca.cert) }
  const lease = {
    client_certificate: await file('client.pem', client.cert),
    client_key: new SecretRef(`file:${await file('client.key', client.key)}`),
  }
  await using upstream = (await dialled(target, lease)) as HttpUpstream
  assert.equal(await ask(upstream), `||${new X509Certificate(client.cert).fingerprint256}|/x`)
  const none = { bearer: new SecretRef(`file:${await file('token', 'some-token')}`) }
  await using bare = (await dialled(target, none)) as HttpUpstream
  assert.equal(await ask(bare), 'Bearer some-token|||/x')
})

test("the target's certificate must be of a CA that is trusted and for its name", async () => {
  const port = await listen()
  const lease = { bearer: new SecretRef(`file:${await file('token2', 'some-token')}`) }
  const caFile = await file('ca3.pem', ca.cert)
  await using unknown = (await dialled({ url: new URL(`https://127.0.0.1:${port}/`) }, lease)) as HttpUpstream
  assert.match(await ask(unknown), /^error (UNABLE_TO|SELF_SIGNED|DEPTH)/)
  const renamed = { url: new URL(`https://127.0.0.1:${port}/`), ca: caFile, server_name: 'other.internal' }
  await using other = (await dialled(renamed, lease)) as HttpUpstream
  assert.equal(await ask(other), 'error ERR_TLS_CERT_ALTNAME_INVALID')
  await using named = (await dialled({ ...renamed, server_name: 'api.internal' }, lease)) as HttpUpstream
  assert.match(await ask(named), /^Bearer some-token/)
})

test('what cannot be dialled is refused without a socket', async () => {
  const token = { bearer: new SecretRef(`file:${await file('token3', 'two\nlines')}`) }
  const url = new URL('https://127.0.0.1:1/')
  const code = (dialled: unknown) => (dialled instanceof Refused ? dialled.denial.code : 'reached')
  assert.equal(code(await dialled({ url }, token)), 'upstream_unreachable')
  const good = { bearer: new SecretRef(`file:${await file('token4', 'token-4')}`) }
  assert.equal(code(await dialled({ url, ca: '/nowhere/ca.pem' }, good)), 'upstream_unreachable')
  assert.equal(
    code(await dialled({ url: new URL('https://no-such-name.invalid/') }, good)),
    'upstream_unreachable',
  )
  await using open = (await dialled({ url }, good)) as HttpUpstream
  assert.equal(await ask(open), 'error ECONNREFUSED')
})
