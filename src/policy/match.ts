/**
 * The rules that are for this identity: of its issuer, of one of its groups, byte for byte (attacks 19, 20). The same group
 * name at another issuer is another group. Pure.
 */
import type { Rule } from '../config/config.ts'
import type { Identity } from '../words.ts'

export function rulesFor(
  identity: Pick<Identity, 'issuer' | 'groups'>,
  rules: readonly Rule[],
): readonly Rule[] {
  return rules.filter(rule => rule.issuer === identity.issuer && identity.groups.includes(rule.group))
}
