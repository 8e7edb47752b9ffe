/**
 * Why yes, why no: what each rule says to one request, as data and as words. For operators: it names rules and groups
 * that a caller is never told of. What it tells comes from {@link weigh} and is chosen by `decide`'s own `choose`.
 */
import { formatDuration } from '../config/duration.ts'
import { type Code, Refused } from '../denial.ts'
import type { EndsBy } from '../words.ts'
import { choose, decide } from './decide.ts'
import type { Asking, Permit, Policy } from './permit.ts'
import { isPeoples, weigh } from './weigh.ts'

export interface Explanation {
  readonly decision: 'yes' | 'no'
  readonly code?: Code
  readonly rule?: string
  readonly scope?: unknown
  readonly narrowed?: readonly string[]
  readonly ttl?: string
  readonly ends_by?: EndsBy
  readonly approval?: Permit['approval']
  readonly may_ask_for?: unknown
  readonly steps: readonly ExplainedStep[]
}

export interface ExplainedStep {
  readonly ok: boolean
  readonly rule?: string
  readonly text: string
}

export function explain(asking: Asking, policy: Policy): Explanation {
  const steps = [...whoAsks(asking, policy), ...whatIsAsked(asking, policy)]
  const weighed = weigh(asking, policy)
  const chosen = choose(weighed)
  for (const { rule, says } of weighed) {
    const text = says instanceof Refused ? `no, ${says.denial.code}: ${says.denial.detail}` : inWords(says)
    steps.push({
      ok: !(says instanceof Refused),
      rule: rule.id,
      text: says === chosen && weighed.length > 1 ? `${text}. This one is used` : text,
    })
  }
  const answer = decide(asking, policy)
  if (answer instanceof Refused) {
    const { code, detail, facts } = answer.denial
    if (weighed.length === 0) steps.push({ ok: false, text: `${code}: ${detail}` })
    return {
      decision: 'no',
      code,
      ...(facts?.['may_ask_for'] !== undefined && { may_ask_for: facts['may_ask_for'] }),
      steps,
    }
  }
  const { rule, scope, narrowed, ttl, endsBy, approval } = answer
  return {
    decision: 'yes',
    rule: rule.id,
    scope,
    narrowed,
    ttl: formatDuration(ttl),
    ends_by: endsBy,
    ...(approval && { approval }),
    steps,
  }
}

function whoAsks({ identity }: Asking, policy: Policy): ExplainedStep[] {
  const who = `${identity.kind} ${identity.subject} through client ${identity.client} of issuer ${identity.issuer}, groups ${JSON.stringify(identity.groups)}`
  return [{ ok: !isPeoples(identity.client, policy), text: who }]
}

/** Rules for this connection that are for others, and whether the eye would take their group for one of this token's. */
function whatIsAsked({ identity, request }: Asking, policy: Policy): ExplainedStep[] {
  const connection = policy.connections.get(request.connection)
  if (connection === undefined) return [{ ok: false, text: `there is no connection ${request.connection}` }]
  const steps: ExplainedStep[] = [{ ok: true, text: `${connection.name} speaks ${connection.protocol}` }]
  for (const rule of policy.rules) {
    if (rule.connection !== connection.name) continue
    if (rule.issuer !== identity.issuer) {
      steps.push({ ok: false, rule: rule.id, text: `is for issuer ${rule.issuer}` })
    } else if (!identity.groups.includes(rule.group)) {
      const near = identity.groups.find(group => alike(group) === alike(rule.group))
      const hint =
        near === undefined
          ? ''
          : `; the token's ${JSON.stringify(near)} looks like it, but groups match byte for byte`
      steps.push({
        ok: false,
        rule: rule.id,
        text: `is for group ${JSON.stringify(rule.group)}, which this token does not have${hint}`,
      })
    } else if (request.rule !== undefined && request.rule !== rule.id) {
      steps.push({
        ok: false,
        rule: rule.id,
        text: `is not the rule that was asked for, ${JSON.stringify(request.rule)}`,
      })
    }
  }
  return steps
}

const alike = (group: string): string =>
  group
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_\-\p{C}]/gu, '')

function inWords({ scope, protocol, ttl, endsBy, narrowed, approval }: Permit): string {
  const cut = narrowed.length === 0 ? '' : `; narrowed: ${narrowed.join(', ')}`
  const asks =
    approval === undefined ? '' : `; after approval by ${approval.count} of ${JSON.stringify(approval.group)}`
  return `yes: ${protocol.scope.words(scope)}; ${formatDuration(ttl)}, ended by the ${endsBy}${cut}${asks}`
}

/** Lines for a terminal; the caller makes other people's text visible. */
export function explanationInWords(told: Explanation): readonly string[] {
  const lines = told.steps.map(
    ({ ok, rule, text }) => `  ${ok ? '+' : '-'} ${rule === undefined ? '' : `rule ${rule} `}${text}`,
  )
  const head = told.decision === 'yes' ? `YES by rule ${told.rule}` : `NO ${told.code}`
  return [head, ...lines]
}
