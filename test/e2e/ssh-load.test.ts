/** Many sessions and clients that do not read: two hundred at once, and a gateway that does not grow with either. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { newKey, python3, sshOptions } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('/usr/sbin/sshd', 'ssh', python3)
const modules = resolve(import.meta.dirname, '../../node_modules/.cache/postern/python')
const noAsyncssh = existsSync(join(modules, 'asyncssh')) ? false : 'asyncssh is not installed: make setup'
const sessions = 200
const MiB = 1024 * 1024

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
    rules:
      '  - { group: sre-agents, connection: web-1, ttl: 10m, sessions: { at_once: 1000 }, scope: { exec: ["*"] } }',
  })
})
after(() => home?.close())

async function granted() {
  const answer = await gateway.grant(okta.token(), 'web-1')
  assert.equal(answer.status, 201, answer.text)
  return answer.json
}

async function resident(): Promise<number> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024
}

/** The numbers of those that run on the host with exactly this command line. */
function running(line: string): number[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map(each => /^ *(\d+) (.*)$/.exec(each))
    .filter(each => each?.[2] === line)
    .map(each => Number(each?.[1]))
}

/** Asking costs nothing: a host that ends two hundred connections at once is busy. */
function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const load = `
import asyncio, asyncssh, os, sys
async def main():
    some = asyncio.Semaphore(20)
    async def open(n):
        async with some:
            c = await asyncssh.connect('127.0.0.1', int(os.environ['PORT']), username=os.environ['GRANT'], password=os.environ['PASSWORD'],
                                       known_hosts=None, config=[], agent_path=None, client_keys=None, login_timeout=60)
            p = await c.create_process(os.environ['COMMAND'])
            assert await p.stdout.readline() == 'in\\n'
            return p
    all = await asyncio.gather(*(open(n) for n in range(${sessions})))
    print('open', flush=True)
    for round in range(3):
        for p in all: p.stdin.write('%d\\n' % round)
        for p in all: assert await p.stdout.readline() == '%d\\n' % round
    print('answered', flush=True)
    await asyncio.gather(*(p.wait() for p in all))
    print('ended', flush=True)
asyncio.run(main())
`

test(`${sessions} sessions are open at once, each asks and is answered, and all are cut with their grant`, {
  skip: skip || noAsyncssh,
  timeout: 180_000,
}, async t => {
  const grant = await granted()
  const before = await resident()
  const client = spawn(python3, ['-c', load], {
    env: {
      ...process.env,
      PYTHONPATH: modules,
      PORT: String(gateway.ports.ssh),
      GRANT: grant.credential.username,
      PASSWORD: grant.credential.password,
      COMMAND: 'echo in; exec cat -u -',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: string[] = []
  createInterface({ input: client.stdout }).on('line', line => said.push(line))
  const closed = once(client, 'close')
  await until('all have been answered', () => said.includes('answered') || client.exitCode !== null, 120_000)
  assert.deepEqual(said, ['open', 'answered'])
  const commands = running('cat -u -')
  assert.equal(commands.length, sessions)
  const grew = (await resident()) - before
  t.diagnostic(`${(grew / sessions / 1024).toFixed(0)} KiB a session`)
  assert.ok(grew < 200 * MiB, `${grew / MiB} MiB`)
  const began = performance.now()
  const back = gateway.api('DELETE', `/v1/grants/${grant.id}`, okta.token())
  await until('nothing of them runs', () => !commands.some(lives))
  t.diagnostic(`${(performance.now() - began).toFixed(0)} ms until nothing of them runs on the host`)
  assert.equal((await back).status, 204)
  await closed
  assert.ok(said.includes('ended'))
})

test('twenty clients that read nothing while their hosts pour take a bounded amount of memory', {
  skip,
  timeout: 60_000,
}, async t => {
  const key = await newKey(home)
  const grant = (await gateway.grant(okta.token(), 'web-1', { public_key: key.public })).json
  const to = `${grant.credential.username}@127.0.0.1`
  const before = await resident()
  const clients = Array.from({ length: 20 }, () =>
    spawn('ssh', [...sshOptions(gateway, key), to, 'yes postern'], { stdio: ['ignore', 'pipe', 'ignore'] }),
  )
  let most = 0
  for (let i = 0; i < 40; i++) {
    await new Promise(then => setTimeout(then, 100))
    most = Math.max(most, (await resident()) - before)
  }
  assert.equal(running('yes postern').length, clients.length)
  t.diagnostic(`${(most / clients.length / MiB).toFixed(1)} MiB a client`)
  assert.ok(most < 200 * MiB, `${most / MiB} MiB`)
  for (const client of clients) client.kill()
  await until('all have gone', () => running('yes postern').length === 0)
})
