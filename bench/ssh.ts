/**
 * SSH side by side in one run: direct, `ssh -J` through a second sshd (which judges and records nothing), and through
 * Postern with policy and recording on. OpenSSH's own client and the same cipher everywhere. Figures are printed, never
 * asserted.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Home, openHome } from '../src/demo/home.ts'
import { makeHostKeys } from '../src/demo/host/keys.ts'
import { startSshd as startJumpHost } from '../src/demo/host/sshd.ts'
import { newKey } from '../test/fixtures/clients.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { missing } from '../test/fixtures/run.ts'
import { startSshd } from '../test/fixtures/sshd.ts'

const megabytes = Number(process.env.BENCH_SSH_MB ?? 256)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const logins = Number(process.env.BENCH_SSH_LOGINS ?? 20)
const keystrokes = Number(process.env.BENCH_SSH_KEYS ?? 300)
const sessions = Number(process.env.BENCH_SSH_SESSIONS ?? 60)
const files = Number(process.env.BENCH_SSH_FILES ?? 10_000)
/** Parts of this bench by name, all unless said. */
const parts = process.env.BENCH_SSH_PARTS?.split(',')
const cipher = process.env.BENCH_SSH_CIPHER ?? 'aes128-gcm@openssh.com'
const devNull = openSync('/dev/null', 'r+')

/** A name in the ssh_config that all of them share. */
type Way = 'direct' | 'ssh -J' | 'Postern' | 'prefixes'
const ways: readonly Way[] = ['direct', 'ssh -J', 'Postern']

interface Bench {
  readonly pid: number
  /** Of the files that are copied: the one that {@link Way} `prefixes` is limited to. */
  readonly folder: string
  readonly config: string
  readonly say: (line: string) => void
  /** Of `ssh`. */
  args(way: Way, args: readonly string[]): readonly string[]
  ssh(way: Way, args: readonly string[], stdio: 'null' | 'pipe'): ChildProcess
}

export async function benchSsh(home: Home, say: (line: string) => void): Promise<void> {
  const gone = missing('ssh', '/usr/sbin/sshd')
  if (gone !== false) {
    say(`ssh: skipped, ${gone}`)
    return
  }
  const bench = await start(home, say)
  // Idle sessions first, while the heap is small: what bulk leaves behind would hide it.
  for (const part of [idle, bulk, setUp, echo, smallFiles])
    if (parts === undefined || parts.includes(part.name)) await part(bench)
}

async function start(home: Home, say: (line: string) => void): Promise<Bench> {
  const okta = await fakeOkta(home)
  const sshd = await startSshd(home)
  const folder = await home.folder('jump')
  const keys = await makeHostKeys(folder)
  const jump = await startJumpHost(home, folder, keys)
  if (jump === undefined) throw new Error('no second sshd')
  const small = await home.folder('small')
  const gateway = await startGateway(home, {
    okta,
    sshd,
    rules: `  - { group: sre-agents, connection: web-1, ttl: 1h, sessions: { at_once: 10000 }, scope: { shell: true, exec: ["*"], sftp: write } }
  - { group: log-agents, connection: web-1, ttl: 1h, scope: { sftp: { read: [${small}], write: [${small}] } } }`,
    env: process.env.BENCH_NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS: process.env.BENCH_NODE_OPTIONS },
  })
  const granted = async (group: string) => {
    const key = await newKey(home)
    const answer = await gateway.grant(okta.token({ groups: [group] }), 'web-1', { public_key: key.public })
    if (answer.status !== 201) throw new Error(`no grant: ${answer.text}`)
    return [gateway.ports.ssh, answer.json.credential.username, key.file] as const
  }
  const config = join(home.dir, 'ssh_config')
  await writeFile(config, '')
  const host = (name: Way | 'jump', port: number, user: string, keyFile: string, more = '') =>
    appendFile(
      config,
      `Host "${name.replace(' ', '')}"
  HostName 127.0.0.1
  Port ${port}
  User ${user}
  IdentityFile ${keyFile}
  ${more}
`,
    )
  await host('direct', sshd.port, sshd.user, sshd.leaseFile)
  await host('jump', jump, sshd.user, keys.leaseFile)
  await host('ssh -J', sshd.port, sshd.user, sshd.leaseFile, 'ProxyJump jump')
  await host('Postern', ...(await granted('sre-agents')))
  await host('prefixes', ...(await granted('log-agents')))
  await appendFile(
    config,
    `Host *
  Ciphers ${cipher}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  IdentitiesOnly yes
  BatchMode yes
  LogLevel ERROR
`,
  )
  const args = (way: Way, more: readonly string[]) => [
    ...['-F', config, ...more.slice(0, -1)],
    ...[way.replace(' ', ''), ...more.slice(-1)],
  ]
  return {
    pid: gateway.pid,
    folder: small,
    config,
    say,
    args,
    ssh: (way, more, stdio) =>
      spawn('ssh', args(way, more), {
        stdio: stdio === 'null' ? [devNull, devNull, 'inherit'] : ['pipe', 'pipe', 'inherit'],
      }),
  }
}

async function bulk(bench: Bench): Promise<void> {
  const bytes = megabytes * 1_000_000
  const { say } = bench
  say(`ssh: ${megabytes} MB, ${cipher}, best of ${rounds} runs in turn, one machine for all`)
  const download = (way: Way) => done(bench.ssh(way, [`head -c ${bytes} /dev/zero`], 'null'))
  // The shell joins them: a pipe through this process would cost what it measures.
  const upload = (way: Way) => {
    const source = spawn(
      'sh',
      ['-c', `head -c ${bytes} /dev/zero | exec "$@"`, 'sh', 'ssh', ...bench.args(way, ['cat > /dev/null'])],
      { stdio: [devNull, devNull, 'inherit'] },
    )
    return done(source)
  }
  const kinds = {
    download,
    upload,
    'two at once': (way: Way) => Promise.all([download(way), download(way)]),
  }
  for (const [kind, move] of Object.entries(kinds)) {
    const best = new Map<Way, { rate: number; cpu: number }>()
    const moved = kind === 'two at once' ? megabytes * 2 : megabytes
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) {
        const before = await cpuOf(bench.pid)
        const began = performance.now()
        await move(way)
        const rate = moved / ((performance.now() - began) / 1000)
        const cpu = ((await cpuOf(bench.pid)) - before) / moved
        if (rate > (best.get(way)?.rate ?? 0)) best.set(way, { rate, cpu })
      }
    }
    const peer = best.get('ssh -J')?.rate ?? Number.NaN
    for (const [way, { rate, cpu }] of best) {
      const cost = way === 'Postern' ? `  ${cpu.toFixed(2)} s CPU a GB` : ''
      say(
        `  ${kind.padEnd(12)} ${way.padEnd(8)} ${rate.toFixed(0).padStart(5)} MB/s  ${(rate / peer).toFixed(2)} of ssh -J${cost}`,
      )
    }
  }
}

async function setUp(bench: Bench): Promise<void> {
  const took = await inTurn(logins, async way => {
    const began = performance.now()
    await done(bench.ssh(way, ['true'], 'null'))
    return performance.now() - began
  })
  bench.say(`ssh: set-up of \`ssh host true\`, ${logins} each`)
  const peer = quantile(took.get('ssh -J') ?? [], 0.5)
  for (const [way, times] of took) {
    const median = quantile(times, 0.5)
    bench.say(
      `  ${way.padEnd(8)} ${median.toFixed(0).padStart(5)} ms median  ${(median / peer).toFixed(2)} of ssh -J`,
    )
  }
}

/** A key is pressed, the terminal on the host echoes it: how long until the client shows it. */
async function echo(bench: Bench): Promise<void> {
  const clients = new Map(ways.map(way => [way, bench.ssh(way, ['-tt', 'cat > /dev/null'], 'pipe')]))
  await new Promise(resolve => setTimeout(resolve, 1500))
  const took = await inTurn(keystrokes, async way => {
    const client = clients.get(way)
    const began = performance.now()
    await new Promise<void>(resolve => {
      client?.stdout?.once('data', () => resolve())
      client?.stdin?.write('x')
    })
    return performance.now() - began
  })
  for (const client of clients.values()) client.kill()
  bench.say(`ssh: keystroke to echo, ${keystrokes} each`)
  for (const [way, times] of took)
    bench.say(
      `  ${way.padEnd(8)} ${quantile(times, 0.5).toFixed(2)} ms median  ${quantile(times, 0.99).toFixed(2)} ms p99`,
    )
}

/** A tree of small files both ways by OpenSSH's sftp, which handles one file after the other. */
async function smallFiles(bench: Bench): Promise<void> {
  const { config, folder, say } = bench
  const [from, there] = [join(folder, 'from'), join(folder, 'there')]
  for (let i = 0; i < files; i++) {
    const into = join(from, String(i % 20))
    if (i < 20) await mkdir(into, { recursive: true })
    await writeFile(join(into, String(i)), 'x'.repeat(1000))
  }
  say(`ssh: sftp of ${files} files of 1,000 bytes, best of ${rounds} (prefixes: Postern, with paths limited)`)
  for (const [kind, command] of [
    ['get', `get -r ${from} ${there}`],
    ['put', `put -r ${from} ${there}`],
  ] as const) {
    const best = new Map<Way, { took: number; cpu: number }>()
    for (let round = 0; round < rounds; round++) {
      for (const way of [...ways, 'prefixes'] as const) {
        await rm(there, { recursive: true, force: true })
        if (kind === 'put') await mkdir(there)
        const before = await cpuOf(bench.pid)
        const began = performance.now()
        const sftp = spawn('sftp', ['-q', '-F', config, '-b', '-', way.replace(' ', '')], {
          stdio: ['pipe', devNull, 'inherit'],
        })
        sftp.stdin?.end(`${command}\n`)
        await done(sftp)
        const took = performance.now() - began
        const cpu = (await cpuOf(bench.pid)) - before
        if (took < (best.get(way)?.took ?? Number.POSITIVE_INFINITY)) best.set(way, { took, cpu })
      }
    }
    const direct = best.get('direct')?.took ?? Number.NaN
    for (const [way, { took, cpu }] of best) {
      const each = (took / files).toFixed(2)
      const cost = way === 'direct' || way === 'ssh -J' ? '' : `  ${(cpu / files).toFixed(2)} ms CPU a file`
      say(
        `  ${kind} ${way.padEnd(8)} ${each.padStart(6)} ms a file  ${(took / direct).toFixed(2)} of direct${cost}`,
      )
    }
  }
}

async function idle(bench: Bench): Promise<void> {
  const open: ChildProcess[] = []
  const more = async (count: number) => {
    const some = Array.from({ length: count }, () => bench.ssh('Postern', ['echo in; exec cat'], 'pipe'))
    open.push(...some)
    await Promise.all(some.map(client => new Promise(resolve => client.stdout?.once('data', resolve))))
  }
  for (let i = 0; i < 2; i++) await more(10)
  const warm = await resident(bench.pid)
  for (let i = 0; i < sessions; i += 10) await more(10)
  const each = ((await resident(bench.pid)) - warm) / sessions
  for (const client of open) client.kill()
  await Promise.all(open.map(client => new Promise(resolve => client.once('close', resolve))))
  bench.say(`ssh: an idle session ${each.toFixed(0)} KiB (over ${sessions} more)`)
}

/** One after the other, so that what the machine does besides hits all alike. */
async function inTurn(count: number, once: (way: Way) => Promise<number>): Promise<Map<Way, number[]>> {
  const took = new Map<Way, number[]>(ways.map(way => [way, []]))
  for (let i = 0; i < count; i++) for (const way of ways) took.get(way)?.push(await once(way))
  return took
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

function done(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) =>
    child.once('close', status => (status === 0 ? resolve() : reject(new Error(`ssh ended with ${status}`)))),
  )
}

/** Seconds, all threads. Linux counts in hundredths. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** KiB. */
async function resident(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1])
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchSsh(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
