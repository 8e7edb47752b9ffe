import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import ssh2 from 'ssh2'
import { newPair } from '../protocol/ssh/hostkey.ts'
import { openHome } from './home.ts'
import { type Host, startHost } from './host.ts'

function exec(host: Host, key: string, command: string): Promise<{ out: string; code: number }> {
  const client = new ssh2.Client()
  return new Promise<{ out: string; code: number }>((resolve, reject) => {
    client.once('error', reject).once('ready', () =>
      client.exec(command, (error, channel) => {
        if (error) return reject(error)
        let out = ''
        let code = -1
        channel.on('data', (chunk: Buffer) => (out += chunk))
        channel.on('exit', c => (code = c ?? -1))
        channel.on('close', () => resolve({ out, code }))
      }),
    )
    client.connect({ host: '127.0.0.1', port: host.port, username: host.user, privateKey: key })
  }).finally(() => client.end())
}

for (const kind of ['sshd', 'ssh2'] as const)
  test(`a ${kind} host runs real commands for the lease's key and for no other`, async t => {
    if (kind === 'sshd' && !existsSync('/usr/sbin/sshd')) return t.skip('this machine has no sshd')
    const home = await openHome()
    try {
      const host = await startHost(home, kind)
      assert.equal(host.kind, kind)
      assert.deepEqual(await exec(host, host.leasePrivate, 'echo $((40 + 2)); exit 3'), {
        out: '42\n',
        code: 3,
      })
      const stranger = newPair().private
      await assert.rejects(exec(host, stranger, 'id'), /authentication/i)
    } finally {
      await home.close()
    }
    assert.equal(existsSync(home.dir), false)
  })
