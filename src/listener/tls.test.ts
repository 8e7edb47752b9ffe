import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SecretRef } from '../config/secret.ts'
import { loadTls, namesOf } from './tls.ts'

const folders: string[] = []
after(() => Promise.all(folders.map(folder => rm(folder, { recursive: true }))))

async function dataFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tls-'))
  folders.push(folder)
  return folder
}

const now = Date.parse('2026-06-01T00:00:00Z')
const day = 86_400_000

test('the first start makes a CA and a certificate that it signs, private keys for us alone', async () => {
  const data = await dataFolder()
  const keys = await loadTls('auto', data, ['postern.example.com', '10.1.2.3', '127.0.0.1'], now)
  const ca = new X509Certificate(keys.ca ?? '')
  const server = new X509Certificate(keys.options.cert)
  assert.equal(ca.ca, true)
  assert.equal(server.ca, false)
  assert.ok(server.verify(ca.publicKey) && server.checkIssued(ca))
  for (const name of ['localhost', 'postern.example.com']) assert.equal(server.checkHost(name), name)
  for (const ip of ['127.0.0.1', '::1', '10.1.2.3']) assert.ok(server.checkIP(ip), ip)
  assert.equal(server.checkHost('other.example.com'), undefined)
  assert.deepEqual((await readdir(join(data, 'keys'))).sort(), [
    'ca.key',
    'ca.pem',
    'server.key',
    'server.pem',
  ])
  for (const name of ['ca.key', 'server.key'])
    assert.equal((await stat(join(data, 'keys', name))).mode & 0o777, 0o600)
  assert.equal(await readFile(join(data, 'keys/ca.pem'), 'utf8'), keys.ca)
})

test('a restart changes nothing, another name a new certificate from the same CA', async () => {
  const data = await dataFolder()
  const first = await loadTls('auto', data, ['a.example.com'], now)
  const second = await loadTls('auto', data, ['a.example.com'], now + day)
  assert.deepEqual([second.options, second.ca], [first.options, first.ca])
  const renamed = await loadTls('auto', data, ['b.example.com'], now + day)
  assert.notEqual(renamed.options.cert, first.options.cert)
  assert.equal(renamed.ca, first.ca)
})

test('a certificate in the last third of its life is renewed, the CA stays for years', async () => {
  const data = await dataFolder()
  const first = await loadTls('auto', data, [], now)
  assert.equal((await loadTls('auto', data, [], now + 50 * day)).options.cert, first.options.cert)
  const renewed = await loadTls('auto', data, [], now + 62 * day)
  assert.notEqual(renewed.options.cert, first.options.cert)
  assert.equal((await loadTls('auto', data, [], now + 9 * 365 * day)).ca, first.ca)
  assert.notEqual((await loadTls('auto', data, [], now + 11 * 365 * day)).ca, first.ca)
})

test('a crash between key and certificate is mended, a lost CA key is not papered over', async () => {
  const data = await dataFolder()
  const first = await loadTls('auto', data, [], now)
  await writeFile(join(data, 'keys/server.key'), await readFile(join(data, 'keys/ca.key')))
  const mended = await loadTls('auto', data, [], now)
  assert.notEqual(mended.options.cert, first.options.cert)
  assert.equal(mended.ca, first.ca)
  await rm(join(data, 'keys/ca.key'))
  await assert.rejects(loadTls('auto', data, [], now), /ca\.key is missing/)
  await rm(join(data, 'keys/ca.pem'))
  assert.notEqual((await loadTls('auto', data, [], now)).ca, first.ca)
})

test("the operator's own certificate is taken, and refused when it does not fit or is over", async () => {
  const data = await dataFolder()
  await loadTls('auto', data, [], now)
  const spec = (key: string) => ({
    cert: join(data, 'keys/server.pem'),
    key: new SecretRef(`file:${join(data, 'keys', key)}`),
  })
  const own = await loadTls(spec('server.key'), '/nowhere', [], now)
  assert.equal(own.ca, undefined)
  await assert.rejects(loadTls(spec('ca.key'), '/nowhere', [], now), /key values mismatch/i)
  await assert.rejects(loadTls(spec('server.key'), '/nowhere', [], now + 91 * day), /expired/)
  await assert.rejects(loadTls(spec('absent.key'), '/nowhere', [], now), /ENOENT/)
})

test('the certificate is for every name that clients are told, and for none that is nowhere', () => {
  const at = (host: string) => ({ host, port: 1 })
  const names = namesOf({
    publicUrl: new URL('https://[2001:db8::7]:8600'),
    advertise: new Map([['ssh', at('ssh.example.com')]]),
    listen: {
      http: at('0.0.0.0'),
      people: at('127.0.0.1'),
      streams: new Map([['ssh', at('::')]]),
      tls: 'auto',
      insecure: false,
    },
  })
  assert.deepEqual([...names], ['2001:db8::7', 'ssh.example.com', '127.0.0.1'])
})
