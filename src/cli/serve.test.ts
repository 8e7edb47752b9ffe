/** What keeps `postern serve` from starting is told its operator in one line, with an exit code that is not a defect's. */
import assert from 'node:assert/strict'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Gateway, postern, startGateway } from '../../test/fixtures/gateway.ts'
import { fakeOkta } from '../../test/fixtures/issuer.ts'
import { type Ran, run } from '../../test/fixtures/run.ts'
import { type Home, openHome } from '../demo/home.ts'
import { freePort } from '../demo/ports.ts'
import { loadTls } from '../listener/tls.ts'
import { exit } from './exit.ts'

let home: Home
let first: Gateway
before(async () => {
  home = await openHome()
  first = await startGateway(home, { okta: await fakeOkta(home), rules: '  []' })
})
after(() => home.close())

/** A second gateway with these lines of its configuration changed. */
async function serve(change: Record<string, string> = {}, env: Record<string, string> = {}): Promise<Ran> {
  const folder = await home.folder(`serve-${Math.random()}`, 0o700)
  const file = join(folder, 'postern.yaml')
  const is = { data: join(folder, 'data'), listen: `{ http: "127.0.0.1:${await freePort()}" }`, ...change }
  const whole = (await readFile(first.configFile, 'utf8'))
    .replace(/^data: .*/m, `data: ${is.data}`)
    .replace(/^listen: .*/m, `listen: ${is.listen}`)
    .replace(/issuer: ".*"/, line =>
      change['issuer'] === undefined ? line : `issuer: "${change['issuer']}"`,
    )
  await writeFile(file, whole, { mode: 0o600 })
  return run(postern, ['serve', '-c', file], { env: { POSTERN_LOG: 'silent', ...env } })
}

function told({ status, stderr }: Ran, code: number, words: RegExp): void {
  assert.match(stderr, words)
  assert.equal(stderr.trim().split('\n').length, 1, stderr)
  assert.equal(status, code)
}

test('a port that another program has, an address that is not ours, a name that nobody knows', async () => {
  const taken = `127.0.0.1:${first.ports.http}`
  told(
    await serve({ listen: `{ http: "${taken}" }` }),
    exit.unavailable,
    new RegExp(`^postern: listen.http ${taken}: another program has this port\n$`),
  )
  const listen = (ssh: string) => `{ http: "127.0.0.1:${first.ports.http + 1}", ssh: "${ssh}" }`
  told(
    await serve({ listen: listen('192.0.2.1:2222') }),
    exit.config,
    /listen\.ssh 192\.0\.2\.1:2222: this machine has no such/,
  )
  told(
    await serve({ listen: listen('no.invalid:2222') }),
    exit.config,
    /listen\.ssh no\.invalid:2222: the name no\.invalid/,
  )
})

test('a second gateway on the same data', async () => {
  const data = join(first.dir, 'data')
  told(await serve({ data }), exit.unavailable, /another gateway is running on \S+data\n$/)
})

test('an issuer whose discovery document is of another', async () => {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end('{"issuer":"http://other.example/"}')
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  home.onEnd(() => void server.close())
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  told(
    await serve({ issuer }),
    exit.config,
    /of another issuer, "http:\/\/other\.example\/"\. .*copy it, byte for byte\n$/,
  )
})

test('an audit that was changed, and a host key that is none or cannot be read', async () => {
  const okta = await fakeOkta(home)
  const gateway = await startGateway(home, { okta, rules: '  []' })
  await gateway.stop()
  const again = () => run(postern, ['serve', '-c', gateway.configFile], { env: { POSTERN_LOG: 'silent' } })
  const hostKey = join(gateway.dir, 'data/keys/ssh_host_ed25519')
  const kept = await readFile(hostKey)
  await writeFile(hostKey, 'nonsense')
  told(await again(), exit.config, /ssh_host_ed25519 is not an SSH private key: restore it/)
  await rm(hostKey)
  await writeFile(hostKey, kept, { mode: 0o000 })
  // Root reads everything.
  if (process.getuid?.() !== 0) told(await again(), exit.config, /ssh_host_ed25519: open says EACCES/)
  await chmod(hostKey, 0o600)
  const audit = join(gateway.dir, 'data/audit/gw-1.jsonl')
  await writeFile(audit, (await readFile(audit, 'utf8')).replace('gateway.started', 'gateway.stopped'))
  told(
    await again(),
    exit.no,
    /^postern: audit: audit\/gw-1\.jsonl.*; see docs\/recording\.md, After a crash\n$/,
  )
})

test("a certificate beside another's key, and keys that are none", async () => {
  const [one, other] = [await home.folder('tls-1'), await home.folder('tls-2')]
  for (const data of [one, other]) await loadTls('auto', data, [], Date.now())
  const tls = (key: string) =>
    `{ http: "127.0.0.1:${first.ports.http + 1}", tls: { cert: "file:${one}/keys/server.pem", key: "file:${key}" } }`
  const cannot = /^postern: listen\.tls: the certificate or its key cannot be used: .+\n$/
  told(await serve({ listen: tls(`${other}/keys/server.key`) }), exit.config, cannot)
  await writeFile(join(other, 'keys/server.key'), 'nonsense')
  told(await serve({ listen: tls(`${other}/keys/server.key`) }), exit.config, cannot)

  const okta = await fakeOkta(home)
  const gateway = await startGateway(home, { okta, rules: '  []' })
  await gateway.stop()
  const again = () => run(postern, ['serve', '-c', gateway.configFile], { env: { POSTERN_LOG: 'silent' } })
  const keys = join(gateway.dir, 'data/keys')
  await writeFile(join(keys, 'server.pem'), 'nonsense')
  told(await again(), exit.config, /data\/keys: a certificate or key in it cannot be used: .+\n$/)
  await writeFile(join(keys, 'audit.key'), 'nonsense')
  told(await again(), exit.config, /audit\.key is not an Ed25519 key\n$/)
})

test('POSTERN_LOG with a level that there is not', async () => {
  told(
    await serve({}, { POSTERN_LOG: 'loud' }),
    exit.usage,
    /^postern: POSTERN_LOG must be one of trace, debug, info, warn, error, fatal, silent\n$/,
  )
})
