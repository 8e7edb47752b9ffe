import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Ending } from '../../words.ts'
import { command, forcing } from './guardian-text.ts'
import { processes, run, until, type World, world } from './world.fixture.ts'

const expired: Ending = { how: 'cut', why: 'grant_expired', text: 'grant g_1 expired' }
let unique = 8_000_000 + Math.floor(Math.random() * 100_000)
/** Every process with its environment: only so can this host's guardians be told from those of tests that run beside. */
const everyProcess = ['axeww', '-o', 'args=']
const guardiansIn = (listing: string, w: World) => {
  const line = command.replace(/^exec /, '').replaceAll("'", '')
  const here = new RegExp(` SSH_CONNECTION=127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${w.target.port}( |$)`)
  return listing.split('\n').filter(each => each.startsWith(line) && here.test(each)).length
}
const guardians = (w: World) => guardiansIn(execFileSync('ps', everyProcess, { encoding: 'utf8' }), w)

async function withHost(extra: string, work: (w: World) => Promise<void>): Promise<void> {
  await using w = await world({ extra })
  await work(w)
}

test('the text is one line that csh and fish read as sh does', () => {
  for (const line of [command, forcing('x'.repeat(512))]) {
    assert.match(line, /^exec sh -c( '[^'\\!\n\x60]+')+$/)
    for (const word of line.split("'")) assert.ok(word.length < 1024)
  }
})

test('one guards a command while it runs, none guards sftp, none is left after the goodbye', () =>
  withHost('', async w => {
    const files = w.args(w.grant({ exec: ['*'], sftp: 'read' }), '-P')
    const seen = `${w.folder}/seen`
    await run('sftp', ['-b', '-', ...files, '127.0.0.1'], `pwd\n!ps ${everyProcess.join(' ')} >${seen}\n`)
    const during = readFileSync(seen, 'utf8')
    assert.match(during, /^sftp /m)
    assert.equal(guardiansIn(during, w), 0)
    const seconds = String(unique++)
    const client = spawn('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', `sleep ${seconds}`])
    await until(() => processes(`sleep ${seconds}`) === 1, 'the command runs')
    assert.equal(guardians(w), 1)
    client.kill()
    await until(() => processes(`sleep ${seconds}`) === 0 && guardians(w) === 0, 'both are gone')
  }))

test('what a client left on purpose stays at its goodbye, and goes at a cut', () =>
  withHost('', async w => {
    const seconds = String(unique++)
    // The shell stays until what it leaves is there, which on a busy machine is later than its own end.
    const left = `setsid sleep ${seconds} </dev/null >/dev/null 2>&1 & until pgrep -xf "sleep ${seconds}"; do sleep 0.05; done`
    const ran = await run('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', left])
    assert.equal(ran.code, 0)
    await until(() => w.last().ending !== undefined, 'the session is over')
    await w.last().over
    assert.equal(processes(`sleep ${seconds}`), 1)
    const more = String(unique++)
    const again = `setsid sleep ${more} </dev/null >/dev/null 2>&1 & sleep ${more}`
    const client = run('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', again])
    await until(() => processes(`sleep ${more}`) === 2, 'both run')
    await w.last().end(expired)
    await until(() => processes(`sleep ${more}`) === 0, 'both are gone')
    await client
    assert.equal(processes(`sleep ${seconds}`), 1, 'an earlier connection is none of its affair')
    process.kill(Number(execFileSync('pgrep', ['-x', '-f', `sleep ${seconds}`])))
  }))

test('a connection that breaks takes everything with it, with nobody left to send a word', () =>
  withHost('', async w => {
    const seconds = String(unique++)
    const all = `trap "" HUP; setsid sleep ${seconds} & sleep ${seconds}`
    const client = run('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', all])
    await until(() => processes(`sleep ${seconds}`) === 2, 'both run')
    w.last().upstream.destroy()
    await until(() => processes(`sleep ${seconds}`) === 0, 'both are gone')
    await client
  }))

test('where the client wants the last channel the guardian goes on without one, and ends everything all the same', () =>
  withHost('MaxSessions 3', async w => {
    for (const end of ['cut', 'broken'] as const) {
      const seconds = String(unique++)
      const control = `${w.folder}/${end}`
      const all = `setsid sleep ${seconds} & exec sleep ${seconds}`
      const ssh = ['-S', control, ...w.args(w.grant({ exec: ['*'] })), '127.0.0.1']
      const before = w.sessions.length
      const clients = [run('ssh', ['-M', ...ssh, all])]
      await until(() => processes(`sleep ${seconds}`) === 2, 'the first runs')
      clients.push(run('ssh', [...ssh, all]), run('ssh', [...ssh, all]))
      await until(() => processes(`sleep ${seconds}`) === 6, 'three run')
      assert.equal(w.sessions.length, before + 1)
      const began = performance.now()
      if (end === 'cut') await w.last().end(expired)
      else w.last().upstream.destroy()
      await until(() => processes(`sleep ${seconds}`) === 0 && guardians(w) === 0, 'all are gone')
      if (end === 'cut') assert.ok(performance.now() - began < 1500)
      await Promise.all(clients)
    }
  }))

test('a host that opens one channel, and one that runs its own command, serve as ever and are cut', async () => {
  await withHost('MaxSessions 1', async w => {
    const seconds = String(unique++)
    const ran = await run('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', 'echo here'])
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, 'here\n', ''])
    const client = run('ssh', [
      ...w.args(w.grant({ exec: ['*'], shell: true })),
      '-tt',
      '127.0.0.1',
      `sleep ${seconds}`,
    ])
    await until(() => processes(`sleep ${seconds}`) === 1, 'the command runs')
    await w.last().end(expired)
    await until(() => processes(`sleep ${seconds}`) === 0, 'it is gone')
    await client
  })
  await withHost('ForceCommand echo forced', async w => {
    const ran = await run('ssh', [...w.args(w.grant({ exec: ['*'] })), '127.0.0.1', 'uptime'])
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, 'forced\n', ''])
  })
})

/** In namespaces of their own, where the only process of another account's is `sleep 301`. */
const namespaces = ['unshare', '-m', '-p', '-f', '--mount-proc'] as const
const noNamespaces =
  spawnSync(namespaces[0], [...namespaces.slice(1), 'true']).status === 0
    ? false
    : 'no namespaces can be made here'

test("no name that another account gives a process has root's guardian end more", {
  skip: noNamespaces,
}, () => {
  const script = `
export SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22"
mount -t tmpfs none /mnt; cd /mnt; touch a 'b|.*' c d e f g h i j k l m n o p q
(sleep 0.5; setsid env -i sleep 301 &) &
sh -c 'setpriv --reuid=65534 --clear-groups setsid sh -c "$NAMED" & sleep 1; setsid sh -c "$GUARDIAN" </dev/null; :'
sleep 1; pgrep -xf "sleep 301" >/dev/null && echo alive`
  const named = 'printf " /mnt/* 999999\\n" >/proc/$$/comm; sleep 302; :'
  const ran = spawnSync(namespaces[0], [...namespaces.slice(1), 'sh', '-c', script], {
    env: { ...process.env, GUARDIAN: command, NAMED: named },
    encoding: 'utf8',
    timeout: 30_000,
  })
  assert.match(ran.stdout, /alive\n$/, ran.stderr)
})

test("what another account has carry the name is ended, and none of root's in its session", {
  skip: noNamespaces,
}, () => {
  const script = `
export SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22"
(sleep 0.5; setsid env -i sh -c 'SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22" setpriv --reuid=65534 --clear-groups sleep 302 & exec sleep 301') &
sh -c 'setsid sleep 303 & sleep 1; pgrep -xf "sleep 302" >/dev/null && echo carried; setsid sh -c "$GUARDIAN" </dev/null; :'
sleep 1; for each in 301 302 303; do pgrep -xf "sleep $each" >/dev/null && echo $each; done; :`
  const ran = spawnSync(namespaces[0], [...namespaces.slice(1), 'sh', '-c', script], {
    env: { ...process.env, GUARDIAN: command },
    encoding: 'utf8',
    timeout: 30_000,
  })
  assert.match(ran.stdout, /^carried\n\n?301\n$/, ran.stderr)
})

const busybox = spawnSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).stdout.trim()

test("what sshd left behind when it was gone first is found with busybox's grep too", {
  skip: noNamespaces || (busybox === '' ? 'busybox is not installed: make setup' : false),
}, () => {
  const script = `
export SSH_CONNECTION="127.0.0.1 1 127.0.0.1 22"
mount -t tmpfs none /mnt; mkfifo /mnt/in; mount --bind "$BUSYBOX" "$(readlink -f "$(command -v grep)")"
sleep 2 >/mnt/in & sh -c 'setsid sh -c "$GUARDIAN" </mnt/in & setsid sleep 301 & sleep 1'
pgrep -xf "sleep 301" >/dev/null && echo left; sleep 3; pgrep -xf "sleep 301" >/dev/null || echo gone`
  const ran = spawnSync(namespaces[0], [...namespaces.slice(1), 'sh', '-c', script], {
    env: { ...process.env, GUARDIAN: command, BUSYBOX: busybox },
    encoding: 'utf8',
    timeout: 30_000,
  })
  assert.match(ran.stdout, /^left\n\n?gone\n$/, ran.stderr)
})
