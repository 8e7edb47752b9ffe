/** `exec` over the API, against a real sshd: the shape of DESIGN.md section 6, its refusals, the recording. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('/usr/sbin/sshd')
let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  gateway = await startGateway(home, {
    okta,
    sshd: await startSshd(home),
    rules: `
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { exec: [["echo", "*"], "cat", "sh -c 'exit 3'"] } }
`,
  })
})
after(() => home?.close())

test('a command runs through the API, judged, recorded and answered', { skip }, async () => {
  const token = okta.token({ groups: ['sre-agents'] })
  const grant = await gateway.grant(token, 'web-1')
  assert.equal(grant.status, 201, grant.text)
  const exec = (body: unknown) => gateway.api('POST', `/v1/grants/${grant.json.id}/exec`, token, body)
  const said = { stderr: '', signal: null, truncated: false, timed_out: false }
  assert.deepEqual((await exec({ command: 'echo hello' })).json, { ...said, stdout: 'hello\n', exit_code: 0 })
  assert.deepEqual((await exec({ command: 'cat', stdin: 'in' })).json, {
    ...said,
    stdout: 'in',
    exit_code: 0,
  })
  assert.equal((await exec({ command: "sh -c 'exit 3'" })).json.exit_code, 3)
  for (const [body, status, code] of [
    [{ command: 'echo hello; id' }, 403, 'statement_refused'],
    [{ command: 'id' }, 403, 'statement_refused'],
    [{ command: 'echo "' }, 403, 'statement_refused'],
    [{ command: 'echo', timeout: '1h' }, 400, 'request_invalid'],
    [{ command: 'echo', shell: true }, 400, 'request_invalid'],
  ] as const) {
    const answer = await exec(body)
    assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text)
  }
  await gateway.api('DELETE', `/v1/grants/${grant.json.id}`, token)
  assert.notEqual((await exec({ command: 'echo hello' })).status, 200)
  const files = (await gateway.dataFiles()).filter(file => file.endsWith('session.jsonl'))
  const recordings = await Promise.all(files.map(file => readFile(file, 'utf8')))
  const [recording = '', ...more] = recordings.filter(text => text.includes(grant.json.id))
  assert.equal(more.length, 0, 'one session for all of them')
  assert.match(recording, /"text":"echo hello; id".*"verdict":"refused"/)
  assert.match(recording, /"tag":"exit 3"/)
})
