/**
 * A worker: serves the clients it is handed, with the same protocols as a single process. Decides nothing: behind its doors
 * stands the first process, and when that is gone this one is gone at once, with all its sockets.
 */
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Refused } from '../denial.ts'
import { openSealKey } from '../ledger/keys.ts'
import type { SealKey } from '../ledger/seal.ts'
import type { AnyProtocol, Door, DoorKeys, Shown, Upstream } from '../protocol/protocol.ts'
import type { Log } from '../telemetry/log.ts'
import { Channel } from './channel.ts'
import type { Arriving, FromWorker, Keys, ShownThere, ToWorker } from './messages.ts'
import { createSessions } from './sessions.ts'

interface Own {
  readonly seals: { readonly data: string; readonly key: SealKey }
  readonly shows: Pick<DoorKeys, 'tls' | 'hostKey' | 'ssh'>
}

export function runWorker(protocols: ReadonlyMap<string, AnyProtocol>, log: Log): void {
  const clients = new Map<number, Socket>()
  const draining = new AbortController()
  let own: Own | undefined
  const has = (): Own => {
    if (own === undefined) throw new Error('the keys come first')
    return own
  }
  const sessions = createSessions({ protocols, seals: () => has().seals, channel: () => channel, log })
  const channel: Channel<FromWorker, ToWorker> = new Channel<FromWorker, ToWorker>(
    process,
    {
      ...sessions.hears,
      keys({ data, run, tls, hostKey, ssh }: Keys) {
        for (const protocol of protocols.values()) protocol.keyed?.(run)
        const certified = ssh && { authority: ssh.authority, certificate: () => ssh.certificate }
        own = {
          seals: own?.seals ?? { data, key: openSealKey(data) },
          shows: { tls: createSecureContext(tls), hostKey, ...(certified && { ssh: certified }) },
        }
      },
      client: (at, socket) => void serve(at, socket),
      destroyClient: client => void clients.get(client)?.destroy(),
      drain: () => draining.abort(),
      reloaded() {
        for (const protocol of protocols.values()) protocol.reloaded?.()
      },
      ping: () => undefined,
      stop: () => process.exit(0),
    },
    (what, error) => log.error({ err: error, what }, 'a worker could not do as it was told'),
  )
  process.on('disconnect', () => process.exit(1))
  // Meant for the first process, which a terminal or a supervisor tells beside us: it ends us when it has drained.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
  process.on('uncaughtException', error => {
    log.error({ err: error }, 'a defect: this worker ends')
    process.exit(70)
  })

  async function serve(at: Arriving, socket: Socket | undefined): Promise<void> {
    const { client, source, plaintext, loopback } = at
    // Gone while it was handed over.
    if (socket === undefined) {
      channel.tell('served', { client })
      channel.tell('left', { client })
      return
    }
    clients.set(client, socket)
    // Before anything else: an 'error' that nobody hears ends the process.
    socket.on('error', error => log.debug({ err: error }, 'a client socket failed'))
    socket.once('close', () => {
      clients.delete(client)
      channel.tell('left', { client })
    })
    try {
      const keys: DoorKeys = { ...has().shows, plaintext, loopback }
      await protocols.get(at.protocol)?.serve({ kind: 'stream', socket, source, keys }, doorFor(client))
      channel.tell('served', { client })
    } catch (error) {
      channel.tell('served', { client, failed: error instanceof Error ? (error.stack ?? '') : String(error) })
    }
  }

  function doorFor(client: number): Door<unknown, Upstream> {
    return {
      signal: draining.signal,
      proof: user => channel.call('proof', { client, user }),
      async enter(shown) {
        const answer = await channel.call('enter', { client, shown: shownThere(shown) })
        return 'refused' in answer ? new Refused(answer.refused) : sessions.entered(answer)
      },
      cancel: key => channel.call('cancelBy', { client, key }).catch(() => undefined),
      note: ({ denial }, user) =>
        channel.tell('note', { client, denial, ...(user === undefined ? {} : { user }) }),
    }
  }
}

function shownThere(shown: Shown): ShownThere {
  if (shown.how !== 'scram') return shown
  const { how, user, proven } = shown
  return { how, user, proven }
}
