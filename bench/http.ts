/**
 * HTTP side by side in one run: direct, through nginx and Envoy as reverse proxies (which judge and record nothing), and
 * through Postern with policy and recording on. wrk, keep-alive, bodies of 1 KB and 1 MB. The middle has one core to itself where
 * the machine has two; figures are printed, never asserted.
 */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { type Home, openHome } from '../src/demo/home.ts'
import { freePort } from '../src/demo/ports.ts'
import { startGateway } from '../test/fixtures/gateway.ts'
import { fakeOkta } from '../test/fixtures/issuer.ts'
import { missing, run, until } from '../test/fixtures/run.ts'

const seconds = Number(process.env.BENCH_SECONDS ?? 5)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const clients = Number(process.env.BENCH_CLIENTS ?? 16)
/** Where `scripts/setup.sh peers` puts it. */
const envoy = resolve(import.meta.dirname, '../node_modules/.cache/postern/peers/envoy/_bin/envoy')
/** Where the middle runs, and everything else. */
const [middle, rest] = availableParallelism() > 1 ? ['0', '1'] : ['0', '0']

interface Way {
  readonly name: string
  readonly url: string
  readonly headers?: readonly string[]
  readonly pid?: number
}

interface Figure {
  readonly rate: number
  /** Milliseconds. */
  readonly p99: number
  /** CPU milliseconds of the middle for a thousand requests. */
  readonly cpu: number
}

export async function benchHttp(home: Home, say: (line: string) => void): Promise<void> {
  const gone = missing('wrk', '/usr/sbin/nginx', 'taskset')
  if (gone !== false) {
    say(`http: skipped, ${gone}`)
    return
  }
  const api = await origin(home)
  const ways: Way[] = [{ name: 'direct', url: api }, await reverseProxy(home, api)]
  if (missing(envoy) === false) ways.push(await envoyProxy(home, api))
  else say('http: Envoy is left out; scripts/setup.sh peers installs it')
  ways.push(await gateway(home, api))
  say(`http: wrk, ${clients} connections, best of ${rounds} runs of ${seconds} s; the middle on one core`)
  for (const [size, file] of [
    ['1 KB', '/1k'],
    ['1 MB', '/1m'],
  ] as const) {
    const best = new Map<string, Figure>()
    for (let round = 0; round < rounds; round++) {
      for (const way of ways) {
        const figure = await measure(way, file, clients)
        if (figure.rate > (best.get(way.name)?.rate ?? 0)) best.set(way.name, figure)
      }
    }
    const peer = best.get('nginx')?.rate ?? Number.NaN
    for (const [name, { rate, p99, cpu }] of best) {
      const cost = Number.isNaN(cpu) ? '' : `  ${cpu.toFixed(1).padStart(7)} ms CPU a thousand`
      say(
        `  ${size}  ${name.padEnd(8)} ${rate.toFixed(0).padStart(7)}/s  p99 ${p99.toFixed(2).padStart(7)} ms  ${(rate / peer).toFixed(2)} of nginx${cost}`,
      )
    }
  }
  for (const way of ways) {
    const { p99, rate } = await measure(way, '/1k', 1)
    say(`  alone ${way.name.padEnd(8)} ${(1000 / rate).toFixed(3)} ms a request, p99 ${p99.toFixed(2)} ms`)
  }
}

async function measure({ url, headers = [], pid }: Way, file: string, connections: number): Promise<Figure> {
  const before = await cpuOf(pid)
  const args = ['-c', rest, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '--latency']
  const ran = await run('taskset', [...args, ...headers.flatMap(one => ['-H', one]), url + file], {
    timeout: (seconds + 30) * 1000,
  })
  const count = Number(/(\d+) requests in/.exec(ran.stdout)?.[1])
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(ran.stdout)?.[1])
  if (ran.status !== 0 || !(rate > 0) || /Non-2xx/.test(ran.stdout))
    throw new Error(`wrk ${url}: ${ran.stdout}${ran.stderr}`)
  const [, p99 = '', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(ran.stdout) ?? []
  const scale = { us: 0.001, ms: 1, s: 1000 }[unit] ?? 1
  return { rate, p99: Number(p99) * scale, cpu: ((await cpuOf(pid)) - before) / (count / 1000) }
}

/** User and system time in milliseconds of a process and its children that still run. */
async function cpuOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) return Number.NaN
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** nginx with two files: an upstream that is never what is measured. */
async function origin(home: Home): Promise<string> {
  const dir = await home.folder('origin', 0o755)
  await writeFile(join(dir, '1k'), 'x'.repeat(1024), { mode: 0o644 })
  await writeFile(join(dir, '1m'), 'x'.repeat(1024 * 1024), { mode: 0o644 })
  const { url } = await nginx(home, dir, rest, port => `server { listen 127.0.0.1:${port}; root ${dir}; }`)
  return url
}

async function reverseProxy(home: Home, api: string): Promise<Way> {
  const dir = await home.folder('nginx', 0o755)
  const { url, pid } = await nginx(
    home,
    dir,
    middle,
    port => `upstream api { server ${api.slice('http://'.length)}; keepalive 64; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Authorization "Bearer bench"; } }`,
  )
  return { name: 'nginx', url, pid }
}

async function envoyProxy(home: Home, api: string): Promise<Way> {
  const dir = await home.folder('envoy')
  const port = await freePort()
  const at = (to: string) => ({ socket_address: { address: '127.0.0.1', port_value: Number(to) } })
  const route = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'bench',
      route_config: {
        request_headers_to_add: [
          {
            header: { key: 'authorization', value: 'Bearer bench' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        ],
        virtual_hosts: [
          { name: 'api', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'api' } }] },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  }
  const endpoint = { endpoint: { address: at(new URL(api).port) } }
  const file = join(dir, 'envoy.json')
  await writeFile(
    file,
    JSON.stringify({
      static_resources: {
        listeners: [{ address: at(String(port)), filter_chains: [{ filters: [route] }] }],
        clusters: [
          {
            name: 'api',
            load_assignment: { cluster_name: 'api', endpoints: [{ lb_endpoints: [endpoint] }] },
          },
        ],
      },
    }),
  )
  const args = ['--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error', '-c', file]
  const child = spawn('taskset', ['-c', middle, envoy, ...args], { stdio: 'ignore', detached: true })
  home.keep(child)
  const url = `http://127.0.0.1:${port}`
  await answers('Envoy', url)
  return { name: 'Envoy', url, pid: child.pid ?? 0 }
}

async function nginx(
  home: Home,
  dir: string,
  core: string,
  server: (port: number) => string,
): Promise<{ url: string; pid: number }> {
  const port = await freePort()
  const file = join(dir, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${dir}/${name};`)
    .join(' ')
  await writeFile(
    file,
    `daemon off; master_process off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/log;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nodelay on; keepalive_requests 1000000000; ${temporary}
${server(port)} }
`,
  )
  const child = spawn('taskset', ['-c', core, '/usr/sbin/nginx', '-c', file], {
    stdio: 'ignore',
    detached: true,
  })
  home.keep(child)
  const url = `http://127.0.0.1:${port}`
  await answers('nginx', url)
  return { url, pid: child.pid ?? 0 }
}

const answers = (name: string, url: string) =>
  until(`${name} answers`, () =>
    fetch(url).then(
      () => true,
      () => false,
    ),
  )

async function gateway(home: Home, api: string): Promise<Way> {
  const okta = await fakeOkta(home)
  const open = await startGateway(home, {
    okta,
    env: { KEY: 'bench-secret-of-the-usual-length-0123456789' },
    connections: `  api:\n    protocol: http\n    target: { url: "${api}" }\n    lease: { bearer: "env:KEY" }\n`,
    rules: '  - { group: sre-agents, connection: api, ttl: 1h, scope: { methods: [GET], paths: ["/*"] } }',
  })
  await run('taskset', ['-acp', middle, String(open.pid)])
  const { json } = await open.grant(okta.token(), 'api')
  const { username, password } = json.credential
  const authorization = `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  return { name: 'Postern', url: `${open.url}/c/api`, headers: [authorization], pid: open.pid }
}

if (import.meta.main) {
  const home = await openHome()
  try {
    await benchHttp(home, line => console.log(line))
  } finally {
    await home.close()
  }
}
