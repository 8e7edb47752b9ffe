/**
 * Until when a grant may wait for a word. Its own time begins with that word and has no say in it: a rule that gives a minute may
 * wait an hour. The token it was asked for with has (attack 61). Pure.
 */
import type { Rule } from '../config/config.ts'
import type { Identity, Millis } from '../words.ts'

/** Undefined where nobody has to be asked. */
export function decideBy(
  { approval, outliveToken }: Pick<Rule, 'approval' | 'outliveToken'>,
  { expiresAt }: Pick<Identity, 'expiresAt'>,
  asked: Millis,
): Millis | undefined {
  if (approval === undefined) return undefined
  return Math.min(asked + approval.within, outliveToken ? Number.POSITIVE_INFINITY : expiresAt)
}
