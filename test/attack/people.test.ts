/** Attacks on people's calls and on what a reload leaves behind: who may approve, lock and lift, and what no rule gives any more. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { startApi } from '../fixtures/api.ts'
import { type Answer, type Gateway, type Setting, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { until } from '../fixtures/run.ts'
import { audit, freshSource, send } from './send.ts'

const secret = 's3cr3t-api-token-xyz'
const rule = (id: string, more = '') =>
  `  - { id: ${id}, issuer: okta, group: ${id}-agents, connection: api, ttl: 10m, scope: { methods: [GET], paths: ["/**"] }${more} }\n`
const asked = (group: string, count: number) => `, approval: { group: ${group}, count: ${count}, within: 5m }`
const all = (over: Record<string, string> = {}) =>
  Object.entries({
    plain: '',
    asked: asked('dba', 1),
    two: asked('dba', 2),
    long: ', outlive_token: true',
    ...over,
  })
    .map(([id, more]) => rule(id, more))
    .join('')

let home: Home
let okta: FakeOkta
let partner: FakeOkta
let setting: Setting
let gateway: Gateway

before(async () => {
  home = await openHome()
  okta = await fakeOkta(home)
  partner = await fakeOkta(home, { kid: 'p1' })
  const api = await startApi(home, secret)
  setting = {
    okta,
    issuers: `  partner: { issuer: "${partner.issuer}", audience: "${partner.audience}", clients: [0oaPartner] }`,
    connections: `  api: { protocol: http, target: { url: "${api.url}" }, lease: { bearer: "env:API_TOKEN" } }`,
    rules: `\n${all()}`,
    env: { API_TOKEN: secret },
  }
  gateway = await startGateway(home, setting)
})
after(() => home?.close())

const agent = (id: string, over = {}) => okta.token({ groups: [`${id}-agents`], ...over })
const dba = (sub: string) => okta.person(['dba'], { sub })
const approve = (id: string, person: string, more = {}): Promise<Answer> =>
  gateway.api('POST', `/v1/approvals/${id}`, person, { decision: 'approve', ...more })
const stateOf = async (id: string, token: string) =>
  (await gateway.api('GET', `/v1/grants/${id}`, token)).json.state

async function pending(id: string): Promise<{ id: string; token: string }> {
  const token = agent(id)
  const answer = await gateway.grant(token, 'api')
  assert.equal(answer.status, 202, answer.text)
  return { id: answer.json.id, token }
}

let reloads = 0
async function reload(rules: string): Promise<void> {
  await gateway.configure({ ...setting, rules: `\n${rules}` })
  gateway.signal('SIGHUP')
  reloads++
  await until(
    'the reload',
    async () => (await gateway.log()).split('configuration reloaded').length > reloads,
  )
}

test("an issuer that is trusted for agents makes nobody a person by naming the people's client", async () => {
  const forged = partner.person(['postern-operators', 'dba'], { sub: 'mallory@partner' })
  for (const [method, path, body] of [
    ['GET', '/v1/audit', undefined],
    ['POST', '/v1/locks', { connection: 'api', reason: 'mine' }],
  ] as const) {
    const answer = await gateway.api(method, path, forged, body)
    assert.deepEqual([answer.status, answer.json.code], [401, 'token_client'], answer.text)
  }
  assert.equal((await gateway.api('GET', '/v1/audit', okta.person(['postern-operators']))).status, 200)
})

test('a locked person neither approves, nor reads, nor lifts the lock', async () => {
  const grant = await pending('asked')
  const good = okta.person(['postern-operators'], { sub: 'good@example.com' })
  const lock = await gateway.api('POST', '/v1/locks', good, {
    subject: 'evil@example.com',
    reason: 'laptop lost',
  })
  const evil = okta.person(['postern-operators', 'dba'], { sub: 'evil@example.com' })
  for (const answer of [
    await approve(grant.id, evil),
    await gateway.api('DELETE', `/v1/locks/${lock.json.id}`, evil),
    await gateway.api('GET', '/v1/sessions', evil),
  ])
    assert.deepEqual([answer.status, answer.json.code], [403, 'locked'])
  assert.equal(await stateOf(grant.id, grant.token), 'pending')
  // A lock on what people share is for grants: somebody must be left to lift it.
  const wide = await gateway.api('POST', '/v1/locks', good, { client: '0oaPeople', reason: 'test' })
  assert.equal((await gateway.api('DELETE', `/v1/locks/${wide.json.id}`, good)).status, 204)
  assert.equal((await gateway.api('DELETE', `/v1/locks/${lock.json.id}`, good)).status, 204)
})

test('an approver sees what waits for them, whole, and nothing else', async () => {
  const seen = async (person: string) => {
    const answer = await gateway.api('GET', '/v1/approvals', person)
    assert.equal(answer.status, 200, answer.text)
    return answer.json as { id: string; reason?: string; scope: { paths: string[] }; decide_by: string }[]
  }
  const mine = await pending('asked')
  const active = await gateway.grant(agent('plain'), 'api')
  const [first, ...more] = (await seen(dba('ann@x'))).filter(({ id }) => id === mine.id)
  assert.deepEqual([first?.id, more], [mine.id, []])
  assert.deepEqual(first?.scope.paths, ['/**'])
  assert.ok(Date.parse(first?.decide_by ?? '') > Date.now())
  const ids = async (person: string) => (await seen(person)).map(({ id }) => id)
  assert.ok(!(await ids(dba('ann@x'))).includes(active.json.id))
  // Of another group, in none, an operator who is no approver, whoever asked, who acts for a member.
  for (const other of [
    okta.person(['security']),
    okta.person([]),
    okta.person(['postern-operators']),
    dba('agent-7@example.com'),
  ])
    assert.deepEqual(await ids(other), [])
  for (const agents of [agent('dba'), mine.token, okta.person(['dba'], { act: { sub: 'bot' } })])
    assert.equal((await gateway.api('GET', '/v1/approvals', agents)).json.code, 'not_permitted')
  // What it does not open: the grants of others, decided ones, sessions, the audit.
  for (const path of ['/v1/grants', '/v1/grants?state=pending', '/v1/sessions', '/v1/audit', '/v1/locks'])
    assert.equal((await gateway.api('GET', path, dba('ann@x'))).status, 403)
  await approve(mine.id, dba('ann@x'))
  assert.ok(!(await ids(dba('ann@x'))).includes(mine.id))
  const calls = await audit(gateway, okta, { type: 'people.called' })
  assert.ok(calls.some(line => JSON.stringify(line).includes('GET /v1/approvals')))
})

test("an agent's words neither act on an approver's terminal nor read otherwise than they are (attacks 60, 180)", async () => {
  const sub = 'painter@example.com'
  const reason = 'drop \u009b2J\u202eelbat\u202c \u0090q\u009c\u200b\u2028end'
  const { json } = await gateway.grant(agent('asked', { sub }), 'api', { reason, task: reason })
  for (const [path, person] of [
    ['/v1/approvals', dba('dba-1@example.com')],
    ['/v1/grants', okta.person(['postern-auditors'])],
    [`/v1/audit?grant=${json.id}`, okta.person(['postern-auditors'])],
  ] as const) {
    const { text } = await gateway.api('GET', path, person)
    assert.match(text, /drop \\u009b2J\\u202eelbat\\u202c/, path)
    assert.doesNotMatch(text, /[^ -~]/, path)
    assert.ok(
      text.includes(
        JSON.stringify(reason).replace(/[^ -~]/g, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
      ),
    )
  }
  const { text } = await approve(json.id, dba('dba-1@example.com'))
  assert.doesNotMatch(text, /[^ -~]/)
})

test('a word is waited for as long as the rule says, not as long as what it gives lasts, and never beyond the token', async () => {
  const minutes = (from: string, to: string) => Math.round((Date.parse(to) - Date.parse(from)) / 60_000)
  const waits = async (exp: number) => {
    const token = agent('asked', { sub: 'patient@example.com', exp: Math.floor(Date.now() / 1000) + exp })
    const { json } = await gateway.grant(token, 'api', { ttl: '1m' })
    const list = await gateway.api('GET', '/v1/approvals', dba('dba-1@example.com'))
    const row = (list.json as { id: string; decide_by: string }[]).find(({ id }) => id === json.id)
    assert.equal(row?.decide_by, json.decide_by)
    return { id: json.id, decide: minutes(json.issued_at, json.decide_by) }
  }
  const waiting = await waits(3600)
  assert.equal(waiting.decide, 5)
  assert.equal((await waits(120)).decide, 2)
  const { json } = await approve(waiting.id, dba('dba-1@example.com'))
  assert.equal(json.state, 'active')
})

test('the note of a denial reaches the agent: one line, no longer than it may be', async () => {
  const grant = await pending('asked')
  const note = `use the\nreplica\u001b[31m \u202e${'x'.repeat(900)}`
  const denied = await gateway.api('POST', `/v1/approvals/${grant.id}`, dba('ann@x'), {
    decision: 'deny',
    note,
  })
  assert.equal(denied.status, 200, denied.text)
  const { ending } = (await gateway.api('GET', `/v1/grants/${grant.id}`, grant.token)).json
  assert.match(ending, /^ann@x denied it: use the replica \[31m x+$/)
  assert.ok(ending.length < 330, ending)
  const plain = await pending('asked')
  await gateway.api('POST', `/v1/approvals/${plain.id}`, dba('ann@x'), { decision: 'deny' })
  assert.equal(
    (await gateway.api('GET', `/v1/grants/${plain.id}`, plain.token)).json.ending,
    'ann@x denied it',
  )
})

test('two yeses at once activate it once, and neither takes it back', async () => {
  for (let round = 0; round < 5; round++) {
    const grant = await pending('asked')
    const answers = await Promise.all(['ann', 'bob'].map(name => approve(grant.id, dba(`${name}${round}@x`))))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400])
    assert.equal(await stateOf(grant.id, grant.token), 'active')
  }
})

test('a scope that an approver has misspelt is told to them, and ends nothing', async () => {
  const grant = await pending('asked')
  const deep = JSON.parse(`${'['.repeat(5_000)}${']'.repeat(5_000)}`)
  for (const scope of [{ pathz: ['/a'] }, { paths: deep }, { methods: ['PUT'] }]) {
    const answer = await approve(grant.id, dba('ann@x'), { scope })
    assert.ok(answer.status === 400 || answer.json.code === 'scope_empty', answer.text)
  }
  assert.equal((await approve(grant.id, dba('ann@x'), { scope: { paths: ['/a'] } })).json.state, 'active')
})

test('what people asked of a grant that is not there is in the audit', async () => {
  const answer = await approve('g_nothere', okta.person([], { sub: 'curious@x' }))
  assert.equal(answer.json.code, 'grant_unknown')
  const lines = await audit(gateway, okta)
  assert.ok(
    lines.some(line => line['reason'] === 'grant_unknown' && JSON.stringify(line).includes('curious@x')),
  )
})

test("an agent's call for people leaves no more of its path in the audit than says what it was (attack 199)", async () => {
  const sub = 'long@example.com'
  const long = 'x'.repeat(28_000)
  for (const path of [`/v1/sessions/${long}/recording`, `/v1/grants?x=${long}`])
    assert.equal((await gateway.api('GET', path, agent('plain', { sub }))).status, 403)
  assert.equal((await gateway.api('POST', `/v1/approvals/${long}`, agent('plain', { sub }), {})).status, 403)
  const lines = await audit(gateway, okta, { type: 'people.refused', subject: sub })
  assert.deepEqual(
    lines.map(line => (line['facts'] as { call: string }).call.slice(0, 24)),
    ['POST /v1/approvals/xxxxx', 'GET /v1/grants', 'GET /v1/sessions/xxxxxxx'],
  )
  for (const line of lines) assert.ok(JSON.stringify(line).length < 1200, JSON.stringify(line).slice(0, 2000))
})

test('a lock names an issuer by name or URL, and an issuer that is not there is told', async () => {
  const operator = okta.person(['postern-operators'])
  const lock = (fields: object) => gateway.api('POST', '/v1/locks', operator, { reason: 'x', ...fields })
  const byUrl = await lock({ issuer: partner.issuer })
  assert.deepEqual([byUrl.status, byUrl.json.issuer], [201, 'partner'])
  for (const wrong of [{ issuer: 'https://nobody.example' }, { subject: '' }, { group: '' }])
    assert.equal((await lock(wrong)).status, 400)
})

test('a lock that would bar nobody is refused, and one that is not there is not found', async () => {
  const operator = okta.person(['postern-operators'])
  const typo = await gateway.api('POST', '/v1/locks', operator, { connection: 'apo', reason: 'x' })
  assert.deepEqual([typo.status, typo.json.code], [400, 'request_invalid'])
  assert.match(typo.json.detail, /connection: there is none of that name/)
  const lifted = await gateway.api('DELETE', '/v1/locks/l_nothere', operator)
  assert.deepEqual(
    [lifted.status, lifted.json.code, lifted.json.detail],
    [404, 'grant_unknown', 'no such lock'],
  )
})

test('a call that is not as its schema says is told so in plain words', async () => {
  const operator = okta.person(['postern-operators'])
  const said = async (body: unknown, headers = {}) =>
    (await gateway.api('POST', '/v1/locks', operator, body, headers)).json.detail
  assert.equal(await said({ connection: 'api' }), 'reason: missing')
  assert.equal(await said({ connexion: 'api', reason: 'x' }), 'the request: unknown: connexion')
  const plain = { 'content-type': 'text/plain' }
  for (const detail of [await said('{}', plain), await said(undefined)])
    assert.equal(detail, 'send JSON with content-type: application/json')
})

test('votes of those whom a reload has replaced do not count', async () => {
  const grant = await pending('two')
  assert.equal((await approve(grant.id, dba('old@x'))).json.state, 'pending')
  await reload(all({ two: asked('security', 2) }))
  const one = await approve(grant.id, okta.person(['security'], { sub: 'one@x' }))
  assert.deepEqual([one.status, one.json.state], [200, 'pending'])
  const two = await approve(grant.id, okta.person(['security'], { sub: 'two@x' }))
  assert.equal(two.json.state, 'active')
  await reload(all())
})

test('outlive_token that a reload takes away ends what lives by it', async () => {
  const exp = Math.floor(Date.now() / 1000) + 300
  const token = agent('long', { exp })
  const answer = await gateway.grant(token, 'api')
  assert.ok(Date.parse(answer.json.expires_at) > exp * 1000)
  await reload(all({ long: '' }))
  await until('the revocation', async () => (await stateOf(answer.json.id, token)) === 'revoked')
  await reload(all())
})

test('a reload cuts the sessions that come from where the rule is no longer for', async () => {
  const answer = await gateway.grant(agent('plain'), 'api')
  const authorization = `Bearer ${answer.json.credential.password}`
  const stream = await fetch(`${gateway.url}/c/api/sse`, { headers: { authorization } })
  assert.equal(stream.status, 200)
  await reload(all({ plain: ', when: { source: [10.0.0.0/8] }' }))
  const read = async () => {
    for await (const _ of stream.body ?? []);
  }
  // Without the cut the stream goes on for as long as the grant.
  await Promise.race([
    read().catch(() => undefined),
    new Promise((_, reject) => setTimeout(() => reject(new Error('the stream goes on')), 10_000).unref()),
  ])
  await reload(all())
})

test('a flood from an address keeps nobody there from the kill switch whose token was good before', async () => {
  const from = freshSource()
  const operator = okta.person(['postern-operators'], { sub: 'calm@example.com' })
  const locks = (token: string) =>
    send(gateway.ports.http, { path: '/v1/locks', headers: { authorization: `Bearer ${token}` }, from })
  assert.equal((await locks(operator)).status, 200)
  let last = 0
  for (let i = 0; i < 150 && last !== 429; i++) last = (await locks('junk')).status
  assert.equal(last, 429)
  assert.equal((await locks(operator)).status, 200)
  assert.equal((await locks(okta.person(['postern-operators'], { sub: 'new@example.com' }))).status, 429)
})

test('what no good token accompanies is refused, counted, and never a failure of ours', async () => {
  const from = freshSource()
  const token = okta.token({}, { header: { cty: { toString: 1, valueOf: 1 } } })
  const statuses = new Set<number>()
  for (let i = 0; i < 150; i++) {
    const odd = { path: '/v1/connections', headers: { authorization: `Bearer ${token}` } }
    const shot = {
      method: 'POST',
      path: '/v1/grants/g_x/request',
      headers: { 'content-type': 'application/json' },
      body: '{bad',
    }
    statuses.add((await send(gateway.ports.http, { ...(i % 2 === 0 ? odd : shot), from })).status)
  }
  assert.deepEqual([...statuses].sort(), [401, 429])
})

test('grants and refusals are counted: at the API, at doors, pending and approved', async () => {
  const counts = async () => {
    const { text } = await gateway.api('GET', '/metrics')
    const count = (name: string) => Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1] ?? 0)
    return [
      count('postern_grants_total{protocol="http",state="pending"}'),
      count('postern_grants_total{protocol="http",state="active"}'),
      count('postern_denials_total{code="not_permitted",where="api"}'),
      count('postern_denials_total{code="grant_unknown",where="door"}'),
    ]
  }
  const before = await counts()
  const asked = await pending('asked')
  await approve(asked.id, dba('ann@x'))
  const again = { 'idempotency-key': 'counted-once' }
  for (let i = 0; i < 2; i++)
    await gateway.api('POST', '/v1/grants', agent('plain'), { connection: 'api' }, again)
  await gateway.grant(agent('nobody'), 'api')
  await gateway.api('GET', '/c/api/x', 'pst_wrong')
  assert.deepEqual(
    (await counts()).map((count, i) => count - (before[i] ?? 0)),
    [1, 2, 1, 1],
  )
})
