import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { run, type World, world } from './world.fixture.ts'

let w: World
before(async () => {
  w = await world()
})
after(() => w.close())

test('ssh with the grant\'s key runs a command, and its output and exit status come back', async () => {
  const g = w.grant({ exec: ['*'] })
  const ran = await run('ssh', [...w.args(g), '127.0.0.1', 'echo hello; echo oops >&2; exit 7'])
  assert.deepEqual(ran, { code: 7, stdout: 'hello\n', stderr: 'oops\n' })
})

test('ssh with the grant\'s password runs a command', async () => {
  const g = w.grant({ exec: ['echo *'] })
  const python = `
import paramiko, sys
c = paramiko.SSHClient(); c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
c.connect('127.0.0.1', ${w.port}, '${g.id}', '${g.password}', allow_agent=False, look_for_keys=False)
i, o, e = c.exec_command('echo hello')
sys.stdout.write(o.read().decode()); sys.exit(o.channel.recv_exit_status())
`
  assert.deepEqual(await run('/usr/bin/python3', ['-c', python]), { code: 0, stdout: 'hello\n', stderr: '' })
})
