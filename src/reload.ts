/**
 * SIGHUP: the new configuration is taken whole or not at all (attack 205). Then every live grant is judged again by its
 * rule's id and what was asked; what would now be narrower or refused is revoked and its sessions are cut.
 */
import type { Config } from './config/config.ts'
import { logDoubts } from './config/doubts.ts'
import { loadTrusted } from './config/trusted.ts'
import { Refused } from './denial.ts'
import type { House } from './house.ts'
import { type TlsKeys, tlsOf } from './listener/tls.ts'
import { confirm } from './policy/confirm.ts'
import type { Policy } from './policy/permit.ts'
import type { AnyProtocol } from './protocol/protocol.ts'
import type { Grant, Millis } from './words.ts'

export interface Reload {
  readonly house: House
  readonly file: string
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  /** Puts the new configuration in force, and what doors show under it. */
  readonly install: (config: Config, tls: TlsKeys) => void
}

/** Never throws: a reload that fails leaves everything as it was, and says why in log and audit. One at a time. */
export function createReload(at: Reload): () => Promise<void> {
  let last = Promise.resolve()
  return () => {
    last = last.then(() => reload(at)).catch(error => refuse(at.house, error))
    return last
  }
}

async function reload({ house, file, protocols, install }: Reload): Promise<void> {
  const loaded = await loadTrusted(file, protocols)
  const wrong = fixed(house.config(), loaded.config)
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  // Before the verifier, which is the last that may refuse: it has changed when it says yes.
  const tls = await tlsOf(loaded.config, house.clock.now())
  await house.verifier.updated(loaded.config)
  install(loaded.config, tls)
  for (const protocol of protocols.values()) protocol.reloaded?.()
  house.audit.noted({ type: 'config.loaded', facts: { rules: loaded.config.rules.length } })
  house.log.info({ policy: loaded.config.digest.slice(0, 12) }, 'configuration reloaded')
  logDoubts(loaded, file, house.log)
  await revokeUnconfirmed(house)
}

/** What cannot change under open doors. */
function fixed(before: Config, after: Config): string[] {
  const wrong: string[] = []
  if (before.data !== after.data) wrong.push('data: cannot change without a restart')
  if (addresses(before) !== addresses(after)) wrong.push('listen: cannot change without a restart')
  return wrong
}

const addresses = ({ listen }: Config) => JSON.stringify({ ...listen, streams: [...listen.streams] })

async function revokeUnconfirmed(house: House): Promise<void> {
  const policy = house.policy()
  const now = house.clock.now()
  await Promise.all(
    house.grants.live().map(async grant => {
      const still = confirm(grant, undefined, now, policy)
      if (!(still instanceof Refused)) return endElsewhere(house, grant, now, policy)
      const { detail } = still.denial
      await house.grants.revoke([grant.id], { text: 'the rules no longer give it as it is', detail })
    }),
  )
}

/** The grant holds, but not from where some of its sessions come. */
async function endElsewhere(house: House, grant: Grant, now: Millis, policy: Policy): Promise<void> {
  const text = `the rules no longer give grant ${grant.id} where this session comes from`
  await Promise.all(
    house.broker.live
      .ofGrant(grant.id)
      .filter(({ source }) => confirm(grant, source, now, policy) instanceof Refused)
      .map(session => session.end({ how: 'cut', why: 'policy_changed', text })),
  )
}

function refuse(house: House, error: unknown): void {
  const detail = error instanceof Error ? error.message : String(error)
  house.audit.noted({ type: 'config.refused', detail: detail.slice(0, 4000) })
  house.log.error({ why: detail }, 'the new configuration is refused; the old one stays in force')
}
