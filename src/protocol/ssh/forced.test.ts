/**
 * What a minted certificate makes a host enforce (`force-command`), and that it ends on time all the same: sshd takes no
 * signals for such a session, nor for root's before OpenSSH 9.9.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { type Account, makeAccount, noAccounts } from './account.fixture.ts'
import { exec } from './calls.ts'
import { forcing } from './guardian-text.ts'
import { oneShots } from './oneshots.fixture.ts'
import { type HostOptions, processes, run, until, type World, world } from './world.fixture.ts'

const bin = resolve(import.meta.dirname, '../../../node_modules/.cache/postern/openssh-10/bin')
const skip = noAccounts
const expired = { how: 'cut', why: 'grant_expired', text: 'grant g_1 expired' } as const
const shells = ['/bin/sh', '/bin/bash', '/bin/csh', '/bin/tcsh', '/usr/bin/fish', '/bin/zsh']
let unique = 6_000_000 + Math.floor(Math.random() * 100_000)
/** A command that nothing else on this machine runs. */
const sleeping = () => `sleep ${unique++}`

/** Guardians on this host, by the words of theirs that no other process has. */
function guardians(w: World): number {
  const here = new RegExp(` SSH_CONNECTION=127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${w.target.port}( |$)`)
  const all = execFileSync('ps', ['axeww', '-o', 'args='], { encoding: 'utf8' }).split('\n')
  return all.filter(line => line.startsWith('sh -c case "$SSH_ORIGINAL_COMMAND"') && here.test(line)).length
}

let account: Account
before(() => {
  if (noAccounts === false) account = makeAccount()
})
after(() => account?.remove())

const versions = [
  { what: "the system's OpenSSH", options: {}, missing: false },
  {
    what: 'OpenSSH 10',
    options: { openssh: bin, extra: 'PerSourcePenalties no' } satisfies HostOptions,
    missing: existsSync(join(bin, 'sshd')) ? false : 'OpenSSH 10 is not installed: make setup',
  },
]

for (const { what, options, missing } of versions)
  for (const who of ['an ordinary account', 'root']) {
    const host = () => world({ ...options, minted: true, user: who === 'root' ? 'root' : account.name })
    const on = (title: string, work: (w: World) => Promise<void>) =>
      test(`${what}, ${who}: ${title}`, { skip: skip || missing }, async () => {
        await using w = await host()
        await work(w)
      })

    on('the one command runs as it is asked for, and as nothing else', async w => {
      const args = [...w.args(w.grant({ exec: ['printenv SSH_ORIGINAL_COMMAND LOGNAME'] })), '127.0.0.1']
      const asked = 'printenv  SSH_ORIGINAL_COMMAND "LOGNAME"'
      const ran = await run('ssh', [...args, asked])
      const name = who === 'root' ? 'root' : account.name
      assert.deepEqual([ran.code, ran.stdout, ran.stderr], [0, `${asked}\n${name}\n`, ''])
      assert.equal((await run('ssh', [...args, 'id'])).code, 126)
    })

    on('it is gone after a cut, a broken connection, and when its client is', async w => {
      for (const end of ['cut', 'broken', 'client'] as const) {
        const command = sleeping()
        const client = spawn('ssh', [...w.args(w.grant({ exec: [command] })), '127.0.0.1', command])
        await until(() => processes(command) === 1 && guardians(w) === 1, 'it runs, and is guarded')
        if (end === 'cut') await w.last().end(expired)
        else if (end === 'broken') w.last().upstream.destroy()
        else client.kill('SIGKILL')
        await until(() => processes(command) === 0 && guardians(w) === 0, `nothing is left: ${end}`)
        client.kill()
      }
    })

    on('it is gone after a one-shot that took too long, and the session lives on', async w => {
      const command = sleeping()
      const at = await oneShots(w, { exec: [command] })
      const late = await exec.run(exec.input.parse({ command, timeout: '1s' }), at)
      assert.ok('timed_out' in late && late.timed_out)
      await until(() => processes(command) === 0, 'nothing of it is left')
      assert.equal(at.ending, undefined)
      await until(() => guardians(w) === 1, 'its guardian stays')
    })

    on('it is gone after the gateway was killed', async w => {
      const command = sleeping()
      const name = who === 'root' ? 'root' : account.name
      const told = { target: w.target, user: name, caKey: `${w.folder}/user_ca`, command }
      const child = new URL('./killed.child.ts', import.meta.url).pathname
      const gateway = spawn(process.execPath, [child, JSON.stringify(told)], { stdio: 'inherit' })
      await until(() => processes(command) === 1 && guardians(w) === 1, 'it runs, and is guarded')
      gateway.kill('SIGKILL')
      await until(() => processes(command) === 0 && guardians(w) === 0, 'nothing is left')
    })
  }

/** The one command's words, the account's name in them as the host wrote it. */
const line = 'printenv LOGNAME'

/** What somebody who holds a minted key may ask of a host, as arguments of ssh's, and say to what then runs. */
function asks(touch: string): readonly { readonly ask: readonly string[]; readonly input: string }[] {
  const sly = [`exec sh -c '${touch};'`, `exec sh -c ;${touch}`, `exec sh -c $(${touch});`, 'exec sh -c ;']
  const lines = [
    ...['id', touch, `; ${touch}`, `' ; ${touch}; '`, `"; ${touch}; "`, `$(${touch})`, `\`${touch}\``],
    ...['exec sh -c', `exec sh -c '${touch}'`, `exec sh -c ";"\n${touch}\n`, `\n${touch}\n`, `!!\n${touch}`],
    ...[`exec sh -c ;"*";"*) ${touch};; *) ${touch};; esac #`, `exec sh -c 'eval "$0"' '${touch};' ';'`],
  ]
  const inputs = [
    `end $(${touch})\n`,
    'one 1 x\n',
    `one 0 a[$(${touch})]\n`,
    'stay\n',
    `a[$(${touch})] a[$(${touch})]\n`,
  ]
  const others = [
    ['127.0.0.1'],
    ['-tt', '127.0.0.1'],
    ['-s', '127.0.0.1', 'sftp'],
    ['-W', '127.0.0.1:22', '127.0.0.1'],
  ]
  return [
    ...others.map(ask => ({ ask, input: '' })),
    ...[...lines, ...sly].map(line => ({ ask: ['127.0.0.1', line], input: '' })),
    ...sly.flatMap(line => inputs.map(input => ({ ask: ['127.0.0.1', line], input }))),
  ]
}

for (const shell of shells)
  test(`a stolen key gives ${shell} the one command, and a guardian of its own`, {
    skip: skip || (existsSync(shell) ? false : 'there is no such shell here'),
  }, async () => {
    account.shell(shell)
    await using w = await world({ minted: true, user: account.name })
    const command = sleeping()
    const other = spawn('ssh', [...w.args(w.grant({ exec: [command] })), '127.0.0.1', command])
    await until(() => processes(command) === 1, "another's command runs")
    const key = join(w.folder, 'agent')
    const keygen = ['-q', '-s', join(w.folder, 'user_ca'), '-I', 'stolen', '-n', account.name, '-O', 'clear']
    execFileSync('ssh-keygen', [...keygen, '-O', `force-command=${forcing(line)}`, `${key}.pub`])
    const touched = `/home/${account.name}/touched`
    const to = ['-F', 'none', '-i', key, '-p', String(w.target.port), '-o', `User=${account.name}`]
    const quiet = [
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
      '-o',
      'LogLevel=ERROR',
    ]
    const all = asks(`touch ${touched}`)
    const said = await inFours(all, ({ ask, input }) =>
      run('timeout', ['10', 'ssh', ...to, ...quiet, ...ask], input),
    )
    for (const [i, { stdout }] of said.entries())
      assert.match(stdout.trim(), new RegExp(`^(|not|${account.name})$`), JSON.stringify(all[i]))
    assert.ok(
      said.some(({ stdout }) => stdout.trim() === ''),
      'there was a guardian',
    )
    assert.ok(!existsSync(touched))
    assert.equal(processes(command), 1, "another's command still runs")
    await w.last().end(expired)
    await until(() => processes(command) === 0 && guardians(w) === 0, 'nothing is left')
    other.kill()
  })

/** sshd takes ten connections that have not logged in yet, and no more. */
async function inFours<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let i = 0; i < all.length; i += 4) done.push(...(await Promise.all(all.slice(i, i + 4).map(work))))
  return done
}
