/** What a request must state: a reason, a task. Blank is not stated. Their length was capped when the request was read. */
import type { Rule } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { GrantRequest } from '../words.ts'

export function checkRequire(rule: Pick<Rule, 'id' | 'require'>, request: GrantRequest): Refused | undefined {
  const missing = rule.require.filter(what => (request[what] ?? '').trim() === '')
  if (missing.length === 0) return undefined
  return refuse(
    'reason_required',
    `rule ${rule.id} requires ${rule.require.join(' and ')}; missing: ${missing.join(' and ')}`,
    {
      say: `the rule asks for a ${missing.join(' and a ')}: ask again and state ${missing.length === 1 ? 'it' : 'both'}`,
      facts: { require: rule.require },
    },
  )
}
