/**
 * Whether a session may begin this very moment: the last look, after all that was waited for. A reload, an end or a stop that
 * fell into that time found no session yet which it could end (attacks 47, 49). Pure.
 */
import { Refused, refuse } from '../denial.ts'
import type { Grant, Millis, Source } from '../words.ts'
import { confirm } from './confirm.ts'
import type { Policy } from './permit.ts'

export interface Beginning {
  /** The grant as it is now. */
  readonly grant: Grant | Refused
  readonly source: Source
  readonly now: Millis
  readonly policy: Policy
  readonly draining: boolean
}

export function stillGood({ grant, source, now, policy, draining }: Beginning): true | Refused {
  if (draining) return refuse('shutting_down', 'the gateway is draining')
  if (grant instanceof Refused) return grant
  const given = confirm(grant, source, now, policy)
  return given instanceof Refused ? given : true
}
