/** The clients that programs use, through the door of a real API server: JavaScript's, Python's, helm. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ApiException, CoreV1Api, KubeConfig, Watch } from '@kubernetes/client-node'
import { type Home, openHome } from '../../src/demo/home.ts'
import { python3 } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import {
  type Cluster,
  clientPath,
  kubectlProgram,
  noCluster,
  noHelm,
  startCluster,
} from '../fixtures/kubernetes.ts'
import { run, until } from '../fixtures/run.ts'

const modules = join(import.meta.dirname, '../../node_modules/.cache/postern/python')
const hasPython = await run(python3, ['-c', 'import kubernetes'], { env: { PYTHONPATH: modules } }).catch(
  () => undefined,
)
const noPython = hasPython?.status === 0 ? noCluster : "Python's kubernetes is not installed: make setup"

let home: Home
let okta: FakeOkta
let cluster: Cluster
let gateway: Gateway

const manifest = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Secret
metadata: { name: card-keys, namespace: shop }
stringData: { key: the-key-of-all-cards }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop, labels: { app: web } }
spec: { containers: [{ name: app, image: none }] }
`

before(async () => {
  if (noCluster) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await cluster.apply(manifest)
  gateway = await startGateway(home, {
    okta,
    connections: cluster.connection('prod'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: reader-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, watch], resources: [pods, secrets], namespaces: [shop], discovery: true } }
  - { group: helm-agents, connection: prod, ttl: 10m, scope: { verbs: [get, list, create, update, patch, delete], resources: [configmaps, secrets], namespaces: [shop], discovery: true, secrets: clear } }
`,
  })
})
after(() => home?.close())

// biome-ignore lint/suspicious/noExplicitAny: the grant as the API answers it
async function granted(group: string): Promise<any> {
  const answer = await gateway.grant(okta.token({ groups: [group] }), 'prod')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

test('@kubernetes/client-node reads, watches and is refused in its own words', {
  skip: noCluster,
}, async () => {
  const { endpoint, credential, id } = await granted('reader-agents')
  const config = new KubeConfig()
  config.loadFromClusterAndUser(
    {
      name: 'prod',
      server: endpoint.url,
      caData: Buffer.from(endpoint.ca).toString('base64'),
      skipTLSVerify: false,
    },
    { name: 'agent', token: credential.password },
  )
  const api = config.makeApiClient(CoreV1Api)
  const pods = await api.listNamespacedPod({ namespace: 'shop' })
  assert.deepEqual(
    pods.items.map(pod => pod.metadata?.name),
    ['web'],
  )
  const secret = await api.readNamespacedSecret({ namespace: 'shop', name: 'card-keys' })
  assert.deepEqual(secret.data, { key: 'Kioq' })
  await assert.rejects(api.listNamespacedPod({ namespace: 'kube-system' }), error => {
    assert.ok(error instanceof ApiException)
    assert.equal(error.code, 403)
    assert.match(String(error.body), /postern: namespace kube-system is not in scope/)
    return true
  })
  const seen: string[] = []
  const ended = new Promise<unknown>(done => {
    void new Watch(config).watch(
      '/api/v1/namespaces/shop/pods',
      {},
      (type, object) => void seen.push(`${type} ${object.kind} ${object.metadata?.name ?? object.message}`),
      done,
    )
  })
  await until('the first event', () => seen[0] === 'ADDED Pod web')
  await gateway.api('DELETE', `/v1/grants/${id}`, okta.token({ groups: ['reader-agents'] }))
  await ended
  assert.match(seen.at(-1) ?? '', /^ERROR Status postern: /)
})

test("Python's kubernetes reads, watches and is refused in its own words", { skip: noPython }, async () => {
  const { endpoint, credential } = await granted('reader-agents')
  const ca = join(home.dir, 'gateway-ca.pem')
  await writeFile(ca, endpoint.ca)
  const script = `
import os
from kubernetes import client, watch
config = client.Configuration()
config.host = os.environ["SERVER"]
config.ssl_ca_cert = os.environ["CA"]
config.api_key = {"authorization": "Bearer " + os.environ["TOKEN"]}
api = client.CoreV1Api(client.ApiClient(config))
print([pod.metadata.name for pod in api.list_namespaced_pod("shop").items])
print(api.read_namespaced_secret("card-keys", "shop").data)
for event in watch.Watch().stream(api.list_namespaced_pod, "shop", timeout_seconds=1):
    print(event["type"], event["object"].metadata.name)
try:
    api.delete_namespaced_pod("web", "shop")
except client.ApiException as refused:
    print(refused.status, refused.reason, refused.body)
`
  const ran = await run(python3, ['-c', script], {
    env: { PYTHONPATH: modules, SERVER: endpoint.url, CA: ca, TOKEN: credential.password },
  })
  assert.equal(ran.status, 0, ran.stderr)
  const [pods, secret, event, refused] = ran.stdout.split('\n')
  assert.deepEqual([pods, secret, event], ["['web']", "{'key': 'Kioq'}", 'ADDED web'])
  assert.match(refused ?? '', /^403 Forbidden .*postern: delete is not in scope/)
})

test('postern config kube: a kubeconfig without a credential, one grant for many runs of kubectl', {
  skip: noCluster,
}, async () => {
  const token = okta.token({ groups: ['reader-agents'], sub: 'config@example.com' })
  const made = await gateway.cli(['config', 'kube', 'prod'], { token })
  assert.equal(made.status, 0, made.stderr)
  assert.ok(!made.stdout.includes('pst_') && !made.stdout.includes(token))
  const { users } = JSON.parse(made.stdout)
  assert.deepEqual(
    [users[0].user.exec.apiVersion, users[0].user.exec.interactiveMode],
    ['client.authentication.k8s.io/v1', 'Never'],
  )
  const kubeconfig = join(home.dir, 'kubeconfig')
  const cache = join(home.dir, 'cache')
  await writeFile(kubeconfig, made.stdout)
  const kubectl = (bearer: string) =>
    run(kubectlProgram, ['get', 'pods', '-n', 'shop', '-o', 'name'], {
      env: { KUBECONFIG: kubeconfig, POSTERN_TOKEN: bearer, XDG_CACHE_HOME: cache, HOME: home.dir },
    })
  for (let i = 0; i < 3; i++) {
    const ran = await kubectl(token)
    assert.equal(ran.stdout, 'pod/web\n', ran.stderr)
  }
  const kept = (await readdir(join(cache, 'postern'))).map(name => join(cache, 'postern', name))
  assert.equal(kept.length, 1)
  assert.equal((await stat(kept[0] ?? '')).mode & 0o777, 0o600)
  const first = await readFile(kept[0] ?? '', 'utf8')
  // What was cut, or is another's, is not used again.
  await gateway.api('DELETE', `/v1/grants/${JSON.parse(first).id}`, token)
  assert.equal((await kubectl(token)).stdout, 'pod/web\n')
  const second = await readFile(kept[0] ?? '', 'utf8')
  assert.notEqual(second, first)
  assert.equal(
    (await kubectl(okta.token({ groups: ['reader-agents'], sub: 'other@example.com' }))).stdout,
    'pod/web\n',
  )
  assert.notEqual(await readFile(kept[0] ?? '', 'utf8'), second)
  assert.notEqual((await kubectl('no-token')).status, 0)
})

test('helm installs, lists and uninstalls, where Secrets are clear', { skip: noHelm }, async () => {
  const chart = join(home.dir, 'chart')
  await mkdir(join(chart, 'templates'), { recursive: true })
  await writeFile(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: little\nversion: 0.1.0\n')
  await writeFile(
    join(chart, 'templates/cm.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: "{{ .Release.Name }}-cm" }\ndata: { color: blue }\n',
  )
  const helm = (group: string, ...args: string[]) =>
    gateway.cli(['run', 'prod', '--', 'helm', '-n', 'shop', ...args], {
      token: okta.token({ groups: [group] }),
      env: { PATH: clientPath, HOME: home.dir },
    })
  const installed = await helm('helm-agents', 'install', 'first', chart)
  assert.equal(installed.status, 0, installed.stderr)
  assert.match((await helm('helm-agents', 'ls')).stdout, /^first\s+shop\s+1\s/m)
  const made = await cluster.kubectl(['get', 'cm', 'first-cm', '-n', 'shop', '-o', 'jsonpath={.data.color}'])
  assert.equal(made.stdout, 'blue')
  // Its releases are Secrets: where those are masked, there is nothing that it could read.
  assert.doesNotMatch((await helm('reader-agents', 'ls')).stdout, /^first/m)
  const refused = await helm('reader-agents', 'uninstall', 'first')
  assert.notEqual(refused.status, 0)
  const removed = await helm('helm-agents', 'uninstall', 'first')
  assert.equal(removed.status, 0, removed.stderr)
})
