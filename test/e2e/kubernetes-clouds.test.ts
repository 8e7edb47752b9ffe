/**
 * EKS, GKE and AKS: tokens that the gateway makes or fetches, at a real API server which asks a webhook whose they are, as
 * those clouds' do. The clouds themselves are stand-ins.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { jwtVerify } from 'jose'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { noCluster, startCluster } from '../fixtures/kubernetes.ts'

const skip = noCluster
let home: Home
let okta: FakeOkta
let gateway: Gateway
let googleKey = ''
/** Every token that was asked about, and every account that was given one. */
const shown: string[] = []
const secret = 'aws-secret-of-forty-characters-000000000'

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  googleKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const cloud = await startCloud(publicKey)
  const cluster = await startCluster(home, `${cloud}/review`)
  await cluster.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: reader }
rules: [{ apiGroups: [""], resources: [pods], verbs: [list] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: reader }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader }
subjects: [{ apiGroup: rbac.authorization.k8s.io, kind: Group, name: cloud-readers }]
`)
  const key = join(home.dir, 'google.json')
  const account = {
    type: 'service_account',
    client_email: 'postern@p.iam.gserviceaccount.com',
    private_key_id: 'k1',
    private_key: googleKey,
    token_uri: `${cloud}/google`,
  }
  await writeFile(key, JSON.stringify(account), { mode: 0o600 })
  const eks = (name: string) =>
    `{ eks: { cluster: ${name}, region: eu-west-1, access_key_id: AKIDEXAMPLE, secret_access_key: env:AWS } }`
  const leases = {
    eks: eks('prod'),
    other: eks('other'),
    gke: `{ gke: { key: "file:${key}" } }`,
    aks: `{ token_url: "${cloud}/entra", client_id: me, client_secret: env:ENTRA, scope: "6dae42f8/.default", client_auth: post }`,
  }
  gateway = await startGateway(home, {
    okta,
    env: { AWS: secret, ENTRA: 'entra-secret' },
    connections: Object.entries(leases)
      .map(([name, lease]) => cluster.connection(name, lease))
      .join(''),
    rules: Object.keys(leases)
      .map(
        name =>
          `  - { group: sre-agents, connection: ${name}, ttl: 10m, scope: { verbs: [list], resources: [pods, configmaps], namespaces: ["*"] } }\n`,
      )
      .join(''),
  })
})
after(() => home?.close())

/** Token endpoints, and what tells the API server whose a token is. */
async function startCloud(google: KeyObject): Promise<string> {
  const server = createServer(async (request, response) => {
    const asked = await bodyOf(request)
    const answer = await answerTo(request.url ?? '', asked, google)
    response.writeHead(answer === undefined ? 400 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(answer ?? {}))
  })
  home.onEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function answerTo(url: string, asked: string, google: KeyObject): Promise<object | undefined> {
  if (url.startsWith('/review')) {
    const { spec, apiVersion } = JSON.parse(asked) as { spec: { token: string }; apiVersion: string }
    const user = whose(spec.token)
    const status = user === undefined ? { authenticated: false } : { authenticated: true, user }
    return { apiVersion, kind: 'TokenReview', status }
  }
  const form = new URLSearchParams(asked)
  const given = { token_type: 'Bearer', expires_in: 3600 }
  if (url === '/entra') {
    const right = form.get('client_secret') === 'entra-secret' && form.get('scope') === '6dae42f8/.default'
    return right ? { ...given, access_token: 'entra-access-token' } : undefined
  }
  const { payload } = await jwtVerify(form.get('assertion') ?? '', google)
  return String(payload.aud).endsWith('/google')
    ? { ...given, access_token: 'ya29.google-access-token' }
    : undefined
}

function whose(token: string): object | undefined {
  shown.push(token)
  const named = (username: string) => ({ username, groups: ['cloud-readers'] })
  if (token === 'entra-access-token') return named('entra')
  if (token === 'ya29.google-access-token') return named('postern@p.iam.gserviceaccount.com')
  if (!token.startsWith('k8s-aws-v1.')) return undefined
  // What aws-iam-authenticator looks at before it asks STS, which holds the signature against the cluster's own name.
  const url = new URL(Buffer.from(token.slice('k8s-aws-v1.'.length), 'base64url').toString())
  const { host, searchParams: query } = url
  const right =
    host === 'sts.eu-west-1.amazonaws.com' &&
    query.get('Action') === 'GetCallerIdentity' &&
    query.get('X-Amz-SignedHeaders') === 'host;x-k8s-aws-id'
  return right ? named('arn:aws:iam::1:user/postern') : undefined
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function list(connection: string, kind: string): Promise<Response> {
  const granted = await gateway.grant(okta.token(), connection)
  assert.equal(granted.status, 201, granted.text)
  return fetch(`${gateway.url}/c/${connection}/api/v1/${kind}`, {
    headers: { authorization: `Bearer ${granted.json.credential.password}` },
  })
}

test('each cloud knows whose the token is, and the cluster holds it to its own rules', { skip }, async () => {
  for (const [connection, user] of [
    ['eks', 'arn:aws:iam::1:user/postern'],
    ['gke', 'postern@p.iam.gserviceaccount.com'],
    ['aks', 'entra'],
  ] as const) {
    const pods = await list(connection, 'pods')
    assert.equal(pods.status, 200, `${connection}: ${await pods.text()}`)
    const refused = await list(connection, 'configmaps')
    assert.equal(refused.status, 403, connection)
    assert.ok((await refused.text()).includes(`User \\"${user}\\" cannot list`), connection)
  }
})

test("one EKS cluster's token is signed for that cluster", { skip }, async () => {
  await list('other', 'pods')
  const signatures = shown
    .filter(one => one.startsWith('k8s-aws-v1.'))
    .map(one => Buffer.from(one.slice(11), 'base64url').toString().split('X-Amz-Signature=')[1])
  assert.ok(new Set(signatures).size >= 2)
})

test('no key and no token is in a file or a log', { skip }, async () => {
  const texts = await Promise.all((await gateway.dataFiles()).map(file => readFile(file, 'latin1')))
  const all = texts.join('\n') + (await gateway.log())
  for (const one of [secret, 'entra-secret', googleKey.split('\n')[5] ?? '', ...shown])
    assert.ok(!all.includes(one), one)
})
