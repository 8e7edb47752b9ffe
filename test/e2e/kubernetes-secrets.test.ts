/** Masked Secrets behind a real API server: what is said of them, and what may be done to them, tells nothing of their values. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { type Cluster, clientPath, noCluster, startCluster } from '../fixtures/kubernetes.ts'
import type { Ran } from '../fixtures/run.ts'

const skip = noCluster
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
stringData: { key: the-key-of-all-cards, pin: "4711" }
`

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  cluster = await startCluster(home)
  await cluster.apply(manifest)
  const where = 'resources: [secrets], namespaces: [shop], discovery: true'
  const all = 'verbs: [get, list, watch, create, update, patch, delete]'
  gateway = await startGateway(home, {
    okta,
    connections: cluster.connection('prod'),
    env: { CLUSTER_TOKEN: cluster.tokens.admin },
    rules: `
  - { group: masked-agents, connection: prod, ttl: 10m, scope: { ${all}, ${where} } }
  - { group: clear-agents, connection: prod, ttl: 10m, scope: { ${all}, ${where}, secrets: clear } }
`,
  })
})
after(() => home?.close())

const passwords = new Map<string, string>()

/** A request with the group's grant, past kubectl. */
async function ask(group: string, method: string, path: string, body?: unknown, type = 'application/json') {
  if (!passwords.has(group)) {
    const { json } = await gateway.grant(okta.token({ groups: [group] }), 'prod')
    passwords.set(group, json.credential.password)
  }
  const headers = { authorization: `Bearer ${passwords.get(group)}`, 'content-type': type }
  const answer = await fetch(`${gateway.url}/c/prod/api/v1/namespaces/shop/secrets${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

const kubectl = (group: string, args: readonly string[], input = ''): Promise<Ran> =>
  gateway.cli(['connect', 'prod', '--', '-n', 'shop', ...args], {
    input,
    token: okta.token({ groups: [group] }),
    env: { PATH: clientPath, HOME: home.dir },
  })

const base64 = (text: string) => Buffer.from(text).toString('base64')
const merge = 'application/merge-patch+json'
const strategic = 'application/strategic-merge-patch+json'

function holdsNothing(text: string): void {
  for (const value of ['the-key-of-all-cards', '4711'])
    for (const form of [value, base64(value)]) assert.ok(!text.includes(form), text)
}

test('a Secret that is not there is NotFound, and one that is there already says so', { skip }, async () => {
  for (const group of ['masked-agents', 'clear-agents']) {
    const missing = await kubectl(group, ['get', 'secret', 'nope'])
    assert.equal(missing.stderr.split('\n')[0], 'Error from server (NotFound): secrets "nope" not found')
    assert.equal((await kubectl(group, ['get', 'secret', 'nope', '--ignore-not-found'])).status, 0)
    const twice = await kubectl(group, ['create', 'secret', 'generic', 'card-keys', '--from-literal=a=b'])
    assert.match(twice.stderr, /secrets "card-keys" already exists/)
  }
  const { status, text } = await ask('masked-agents', 'GET', '/nope')
  assert.deepEqual(JSON.parse(text), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'secrets "nope" not found',
    reason: 'NotFound',
    details: { name: 'nope', kind: 'secrets' },
    code: 404,
  })
  assert.equal(status, 404)
})

test('a list with a count in it is masked like any other', { skip }, async () => {
  await cluster.kubectl(['create', 'secret', 'generic', 'another', '-n', 'shop', '--from-literal=a=b'])
  const { status, text } = await ask('masked-agents', 'GET', '?limit=1')
  assert.equal(status, 200, text)
  assert.equal(JSON.parse(text).metadata.remainingItemCount, 1)
})

test('an error does not hold the object that it is of', { skip }, async () => {
  const bodies: readonly unknown[] = [
    { data: { x: '!!!' } },
    { metadata: { labels: 5 } },
    { metadata: { labels: { tier: 'not a label!' } } },
    { immutable: 'x' },
    { type: 5 },
  ]
  for (const body of bodies)
    for (const type of [merge, strategic]) {
      const { status, text } = await ask('masked-agents', 'PATCH', '/card-keys', body, type)
      assert.ok(status >= 400 && status < 500, text)
      holdsNothing(text)
    }
  // The API server's own words: they would hold it.
  const { text } = await ask('clear-agents', 'PATCH', '/card-keys', { metadata: { labels: 5 } }, merge)
  assert.match(text, new RegExp(base64('the-key-of-all-cards')))
})

test('no write tells whether a guess of a value is right', { skip }, async () => {
  const object = (pin: string) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'card-keys', namespace: 'shop' },
    data: { pin: base64(pin) },
  })
  const last = 'kubectl.kubernetes.io/last-applied-configuration'
  const whole = (pin: string) => ({
    ...object(pin),
    data: { key: base64('the-key-of-all-cards'), pin: base64(pin) },
  })
  const writes: readonly (readonly [string, (pin: string) => unknown, string])[] = [
    ['PATCH', pin => ({ data: { pin: base64(pin) } }), merge],
    ['PATCH', pin => ({ data: { pin: base64(pin) } }), strategic],
    ['PATCH', pin => ({ stringData: { pin } }), merge],
    ['PATCH', pin => ({ metadata: { annotations: { [last]: pin } } }), merge],
    ['PATCH', object, 'application/apply-patch+yaml'],
    ['PUT', whole, 'application/json'],
  ]
  for (const [method, of, type] of writes)
    for (const query of ['?fieldManager=me', '?fieldManager=me&dryRun=All', '?fieldManager=me&force=true']) {
      const before = await version()
      const right = await ask('masked-agents', method, `/card-keys${query}`, of('4711'), type)
      const wrong = await ask('masked-agents', method, `/card-keys${query}`, of('1234'), type)
      assert.equal(right.status, 403, `${method} ${type}: ${right.text}`)
      assert.deepEqual(right, wrong)
      assert.match(right.text, /only the labels and annotations of a masked Secret can be changed/)
      assert.equal(await version(), before)
    }
})

const version = async () =>
  (
    await cluster.kubectl([
      'get',
      'secret',
      'card-keys',
      '-n',
      'shop',
      '-o',
      'jsonpath={.metadata.resourceVersion}',
    ])
  ).stdout

test("a masked Secret's labels and annotations can be changed, and Secrets made and deleted", {
  skip,
}, async () => {
  const made = `apiVersion: v1\nkind: Secret\nmetadata: { name: made }\nstringData: { a: b }\n`
  const runs: readonly (readonly [RegExp, string, ...string[]])[] = [
    [/labeled/, '', 'label', 'secret', 'card-keys', 'tier=front'],
    [/labeled/, '', 'label', 'secret', 'card-keys', 'tier-'],
    [/annotated/, '', 'annotate', 'secret', 'card-keys', 'note=seen'],
    [/created/, made, 'apply', '-f', '-'],
    [/deleted/, '', 'delete', 'secret', 'made'],
    [/created/, made, 'create', '-f', '-'],
    [/replaced/, made.replace('b }', 'c }'), 'replace', '--force', '-f', '-'],
  ]
  for (const [said, input, ...args] of runs) {
    const ran = await kubectl('masked-agents', args, input)
    assert.match(ran.stdout, said, `${args.join(' ')}: ${ran.stderr}`)
  }
  const edited = await gateway.cli(['connect', 'prod', '--', '-n', 'shop', 'edit', 'secret', 'card-keys'], {
    token: okta.token({ groups: ['masked-agents'] }),
    env: { PATH: clientPath, HOME: home.dir, KUBE_EDITOR: "sed -i 's/note: seen/note: edited/'" },
  })
  assert.match(edited.stdout, /edited/, edited.stderr)
  const out = ['-n', 'shop', '-o', 'jsonpath={.data}{.metadata.annotations.note}']
  const held = await cluster.kubectl(['get', 'secret', 'card-keys', ...out])
  assert.equal(held.stdout, `{"key":"${base64('the-key-of-all-cards')}","pin":"${base64('4711')}"}edited`)
  assert.match((await cluster.kubectl(['get', 'secret', 'made', ...out])).stdout, /"Yw=="/)
  for (const args of [
    ['apply', '-f', '-'],
    ['apply', '--server-side', '-f', '-'],
    ['replace', '-f', '-'],
  ]) {
    const refused = await kubectl('masked-agents', args, made)
    assert.match(
      refused.stderr,
      /postern: only the labels and annotations of a masked Secret/,
      args.join(' '),
    )
    const clear = await kubectl('clear-agents', args, made)
    assert.equal(clear.status, 0, clear.stderr)
  }
})

test('kubectl deletes a Secret and waits until it is gone', { skip }, async () => {
  await cluster.kubectl(['create', 'secret', 'generic', 'old', '-n', 'shop', '--from-literal=a=b'])
  const ran = await kubectl('masked-agents', ['delete', 'secret', 'old'])
  assert.match(ran.stdout, /^secret "old" deleted/, ran.stderr)
})

test('a watch that cannot begin is answered by a Status, on however many lines', { skip }, async () => {
  for (const more of ['', '&pretty=true']) {
    const { status, text } = await ask('masked-agents', 'GET', `?watch=1&resourceVersion=no${more}`)
    const said = JSON.parse(text)
    assert.deepEqual([said.kind, said.status, said.code], ['Status', 'Failure', status], text)
    assert.match(said.message, /^secrets: Failure \(500\)\. /)
  }
})
