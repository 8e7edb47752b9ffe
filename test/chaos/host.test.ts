/**
 * Invariant 10 on a host: the gateway is gone from one moment to the next, and what its sessions ran is gone too, though no
 * terminal hangs it up and no one is left who could send a signal. Also what ignores HUP or has a session of its own.
 */
import { spawn } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import type { Host } from '../../src/demo/host.ts'
import { freePort } from '../../src/demo/ports.ts'
import { newKey, ssh } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, until } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const skip = missing('ssh', '/usr/sbin/sshd')
const root = process.getuid?.() === 0
/** An account that a shell may be started for, beside root. */
const ordinary = readFileSync('/etc/passwd', 'utf8')
  .split('\n')
  .map(line => line.split(':'))
  .find(
    ([, , uid, , , home, shell]) =>
      Number(uid) > 0 && existsSync(home ?? '') && /\/(?:ba|da)?sh$/.test(shell ?? ''),
  )?.[0]
let home: Home
let okta: FakeOkta
let gateway: Gateway

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  const sshd = await startSshd(home)
  const second = await openToAll(sshd)
  gateway = await startGateway(home, {
    okta,
    sshd,
    connections: `  web-2:
    protocol: ssh
    target: { host: 127.0.0.1, port: ${second}, host_key: "${sshd.hostKey}" }
    lease: { user: ${ordinary ?? 'nobody'}, private_key: "file:web-1.key" }
`,
    rules: `
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { exec: ["*"] } }
  - { group: sre-agents, connection: web-2, ttl: 10m, scope: { exec: ["*"] } }
`,
  })
})
after(() => home?.close())

/** The same host once more, for any account: sshd reads the file of keys as whoever logs in, and PAM minds no missing password. */
async function openToAll({ hostKeyFile }: Host): Promise<number> {
  const folder = dirname(hostKeyFile)
  await chmod(folder, 0o711)
  await chmod(join(folder, 'authorized_keys'), 0o644)
  const port = await freePort()
  const config = (await readFile(join(folder, 'sshd_config'), 'utf8'))
    .replace(/^Port .*/m, `Port ${port}`)
    .replace(/^UsePAM .*/m, 'UsePAM yes')
  await writeFile(join(folder, 'sshd_config_2'), config)
  home.keep(
    spawn('/usr/sbin/sshd', ['-D', '-f', join(folder, 'sshd_config_2')], { detached: true, stdio: 'ignore' }),
  )
  return port
}

function running(command: string): number {
  return globSync('/proc/[0-9]*/cmdline').filter(path => {
    try {
      return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim() === command
    } catch {
      return false
    }
  }).length
}

const accounts = {
  'whoever runs the tests': { connection: 'web-1', skip },
  'an ordinary user': {
    connection: 'web-2',
    skip: skip || (root && ordinary !== undefined ? false : 'takes root, and another account with a shell'),
  },
}

let mark = 0
for (const [who, { connection, skip }] of Object.entries(accounts)) {
  test(`I10: after kill -9 of the gateway nothing runs on the host as ${who}`, { skip }, async () => {
    const seconds = `6${process.pid}.${++mark}`
    const key = await newKey(home)
    const token = okta.token({ groups: ['sre-agents'] })
    const grant = (await gateway.grant(token, connection, { public_key: key.public })).json
    const all = [
      `exec sleep ${seconds}`,
      `trap "" HUP; sleep ${seconds} & sleep ${seconds}; wait`,
      `setsid sleep ${seconds} & sleep ${seconds}`,
    ]
    const clients = all.map(command => ssh(gateway, grant, key, [command]))
    await until('all of it runs', () => running(`sleep ${seconds}`) === 5)
    await gateway.kill9()
    await until('nothing of it runs', () => running(`sleep ${seconds}`) === 0, 6000)
    await Promise.all(clients)
    await gateway.start()
  })
}
