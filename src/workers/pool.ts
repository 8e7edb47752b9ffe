/**
 * The workers of `serve --workers N`: each client goes to the one that serves fewest. One that dies takes its sessions with it,
 * which are ended and audited here, and is started again.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { House } from '../house.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { TlsKeys } from '../listener/tls.ts'
import type { DoorKeys } from '../protocol/protocol.ts'
import { Channel } from './channel.ts'
import { startProcess, stopProcess, type WorkerProcess, watch } from './child.ts'
import type { FromWorker, Keys, ToWorker } from './messages.ts'
import { createRemote, type Remote } from './remote.ts'

export interface WorkersAt {
  readonly count: number
  readonly house: House
  readonly key: SealKey
  /** What is shown at this moment. */
  readonly tls: () => TlsKeys
  readonly keys: Pick<DoorKeys, 'hostKey' | 'ssh'>
}

export interface Workers extends AsyncDisposable {
  /** Some worker is up. */
  readonly some: boolean
  /** Where the next client is served; undefined while no worker is up. */
  next(): House | undefined
  /** Another certificate, or another name in SSH's. */
  renewed(): void
  reloaded(): void
}

interface Worker {
  readonly process: WorkerProcess
  readonly remote: Remote
  readonly channel: Channel<ToWorker, FromWorker>
  up: boolean
}

/** Milliseconds before a dead one is started again: doubled each time, unless it has lived for so long. */
const soonest = 100
const latest = 10_000
const settled = 30_000

/** Resolves when all are up; rejects where one does not come up. */
export async function startWorkers(at: WorkersAt): Promise<Workers> {
  const { house } = at
  const { log, draining, clock } = house
  const workers = new Set<Worker>()
  const run = randomBytes(32)
  let stopping = false
  for (const protocol of house.protocols.values()) protocol.keyed?.(run)

  const keys = (): Keys => {
    const { hostKey, ssh } = at.keys
    const certified = ssh && { authority: ssh.authority, certificate: ssh.certificate() }
    const { options } = at.tls()
    return { data: house.config().data, run, tls: options, hostKey, ...(certified && { ssh: certified }) }
  }
  const everyone = (say: (channel: Worker['channel']) => void) => {
    for (const { channel } of workers) say(channel)
  }

  async function start(n: number): Promise<Worker> {
    const worker = open(n, at)
    workers.add(worker)
    const { child, gone } = worker.process
    void gone.then(() => workers.delete(worker))
    try {
      await worker.channel.call('keys', keys())
    } catch (error) {
      child.kill('SIGKILL')
      throw new Error(`worker ${n} does not start`, { cause: error })
    }
    worker.up = true
    log.info({ worker: n, pid: child.pid }, 'a worker is up')
    return worker
  }

  /** Until the gateway drains. */
  async function keep(n: number, first: Worker): Promise<void> {
    let worker: Worker | undefined = first
    for (let wait = soonest / 2; ; ) {
      const since = clock.mono()
      await worker?.process.gone
      if (stopping || draining.aborted) return
      wait = clock.mono() - since > settled ? soonest : Math.min(wait * 2, latest)
      log.error({ worker: n, again_in_ms: wait }, 'a worker is gone: its sessions are ended')
      await delay(wait, undefined, { ref: false })
      if (stopping || draining.aborted) return
      worker = await start(n).catch(error => void log.error({ err: error }, 'a worker does not start'))
    }
  }

  async function stop(): Promise<void> {
    stopping = true
    await Promise.all(
      [...workers].map(({ process, channel }) => stopProcess(process, () => channel.tell('stop', undefined))),
    )
  }

  draining.addEventListener('abort', () => everyone(channel => channel.tell('drain', undefined)))
  const numbers = Array.from({ length: at.count }, (_, i) => i + 1)
  try {
    for (const [i, worker] of (await Promise.all(numbers.map(start))).entries()) void keep(i + 1, worker)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    get some() {
      return [...workers].some(worker => worker.up)
    },
    next() {
      const up = [...workers].filter(worker => worker.up)
      return up.sort((a, b) => a.remote.clients - b.remote.clients)[0]?.remote.house
    },
    renewed: () => everyone(channel => channel.tell('keys', keys())),
    reloaded: () => everyone(channel => channel.tell('reloaded', undefined)),
    [Symbol.asyncDispose]: stop,
  }
}

function open(n: number, { house, key }: WorkersAt): Worker {
  const { log } = house
  const process = startProcess(n)
  const failed = (what: string, error: unknown) =>
    log.error({ err: error, worker: n, what }, 'a worker was not heard')
  const remote = createRemote(
    house,
    key,
    hears => new Channel(process.child, hears, failed),
    () => mustHear(),
  )
  const { channel } = remote
  const ping = () => channel.call('ping', undefined)
  const mustHear = watch(process, ping, () =>
    log.error({ worker: n }, 'a worker does not answer: it is killed'),
  )
  void process.gone.then(() => {
    worker.up = false
    channel.close('the worker is gone')
    remote.gone()
  })
  const worker: Worker = { process, remote, channel, up: false }
  return worker
}
