/**
 * The composition root: makes every stage in the order it is needed, reloads, and takes all of it down again in the
 * opposite order. Knows everybody; only the command line knows it.
 */
import { randomBytes } from 'node:crypto'
import { openAudit } from './audit/audit.ts'
import { startSweep } from './broker/leases/sweep.ts'
import { createLiveSessions } from './broker/live.ts'
import { buildHouse } from './build.ts'
import { clock } from './clock.ts'
import { logDoubts } from './config/doubts.ts'
import { loadTrusted } from './config/trusted.ts'
import { endingOf, endings, recordingLost } from './ending.ts'
import { openGrants } from './grant/grants.ts'
import { createVerifier } from './identity/verify.ts'
import { openSealKey } from './ledger/keys.ts'
import { renewDaily } from './listener/renew.ts'
import { type TlsKeys, tlsOf } from './listener/tls.ts'
import { openPorts } from './ports.ts'
import type { AnyProtocol } from './protocol/protocol.ts'
import { hostCertificates, loadAuthority } from './protocol/ssh/authority.ts'
import { loadHostKey } from './protocol/ssh/hostkey.ts'
import { recoverRecordings } from './recording/recover.ts'
import { watchRoom } from './recording/room.ts'
import { createReload } from './reload.ts'
import { openStore } from './store/store.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics } from './telemetry/metrics.ts'
import { startWorkers, type Workers } from './workers/pool.ts'

export interface Gateway {
  /** SIGHUP: the whole new configuration, or none of it. Never throws. */
  reload(): Promise<void>
  /** SIGTERM: no new client, every session cut and told why, everything sealed. */
  stop(): Promise<void>
}

export interface GatewayOptions {
  readonly file: string
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  readonly log: Log
  /** Processes that carry the streams; where it is 1 this one does. */
  readonly workers?: number
}

/** Resolves when every door is open. Throws {@link ConfigError} for a configuration that cannot be served. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { file, protocols, log, workers: count = 1 } = options
  await using opened = new AsyncDisposableStack()
  const loaded = await loadTrusted(file, protocols)
  let { config } = loaded
  const { data } = config

  // The store first: its lock on state.db keeps a second gateway off this data folder and its audit.
  const store = await openStore(data)
  opened.defer(() => store.close())
  const key = openSealKey(data)
  const live = createLiveSessions()
  const cutAll = () => void live.cutAll(recordingLost({ why: 'recording_unavailable' }))
  const audit = await openAudit({
    data,
    clock,
    key,
    policyDigest: () => config.digest,
    log,
    onLost: cutAll,
  })
  opened.defer(() => audit.close())
  await recoverRecordings({ data, key, now: clock.now(), heads: audit, log })
  const room = opened.use(await watchRoom({ data, log, onShort: cutAll }))

  const grants = await openGrants({
    store,
    audit,
    replay: since => audit.replay(since),
    clock,
    log,
    grantsPerOwner: () => config.limits.grants,
  })
  opened.defer(() => grants.close())
  grants.onEnded(grant => void live.cutGrant(grant.id, endingOf(grant)))
  const verifier = createVerifier({ ...config, fetch, clock, log })
  opened.defer(() => verifier.close())
  await verifier.start()

  const draining = new AbortController()
  const hostKey = await loadHostKey(data)
  const authority = await loadAuthority(data)
  const ssh = {
    authority: authority.blob,
    certificate: hostCertificates({
      hostKey: hostKey.public,
      authority,
      host: () => config.advertise.get('ssh')?.host,
      now: () => clock.now(),
    }),
  }
  let tls = await tlsOf(config, clock.now())
  const metrics = createMetrics()
  let workers: Workers | undefined
  const shows = () => ({
    hostKey: hostKey.public,
    authority,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
  })
  const house = buildHouse({
    config: () => config,
    protocols,
    verifier,
    grants,
    store,
    audit,
    live,
    room,
    key,
    clock,
    log,
    metrics,
    shows,
    draining: draining.signal,
    randomBytes,
    serving: () => workers?.some ?? true,
  })
  audit.noted({
    type: 'config.loaded',
    facts: { rules: config.rules.length, connections: config.connections.size },
  })
  await audit.decided({ type: 'gateway.started', facts: { version: house.version } })
  const keys = { hostKey: hostKey.private, ssh }
  if (count > 1 && config.listen.streams.size > 0)
    workers = opened.use(await startWorkers({ count, house, key, tls: () => tls, keys }))
  const ports = await openPorts({ house, tls: () => tls, keys, workers })
  const show = (renewed: TlsKeys) => {
    tls = renewed
    ports.renewed()
    workers?.renewed()
  }
  opened.use(renewDaily(house, show))
  opened.use(
    startSweep({
      connections: () => config.connections.values(),
      protocols,
      live,
      gateway: house.broker.gateway,
      log,
    }),
  )
  log.info({ doors: ports.addresses, data, policy: config.digest.slice(0, 12) }, 'postern is open')
  logDoubts(loaded, file, log)
  const rest = opened.move()

  return {
    reload: createReload({
      house,
      file,
      protocols,
      install(next, renewed) {
        config = next
        show(renewed)
        workers?.reloaded()
      },
    }),
    async stop() {
      log.info('draining')
      draining.abort()
      ports.close()
      await live.cutAll(endings.shuttingDown)
      ports.destroy()
      await audit
        .decided({ type: 'gateway.stopped' })
        .catch(error => log.error({ err: error }, 'the stop was not audited'))
      await rest.disposeAsync()
      log.info('postern is shut')
    },
  }
}
