/**
 * A request under its session's scope -> a verdict (DESIGN.md section 8). Pure; what it cannot read it refuses.
 *
 * Verdicts of requests that say the same are the same object, so that the recorder serialises them once.
 */

import { type Denial, refuse } from '../../denial.ts'
import type { Statement, Verdict } from '../../recording/record.ts'
import { inNames } from '../../statement/http/names.ts'
import { matchesPath } from '../../statement/http/pattern.ts'
import type { ReadTarget } from '../../statement/http/target.ts'
import { listsOf } from '../../statement/patterns.ts'
import type { Narrowed } from '../../words.ts'
import { graphqlProblem } from './graphql.ts'
import type { Lowered } from './headers.ts'
import { type HttpScope, httpScope } from './scope.ts'

/** What is known of a request before its body. */
export interface Head {
  readonly kind: 'request' | 'upgrade'
  readonly method: string
  /** The request-target as it came. */
  readonly raw: string
  readonly target: ReadTarget
  /** As they came, flat; names in lower case. */
  readonly rawHeaders: Lowered
  /** Bytes of the body; 0 for none, undefined where it comes in chunks. */
  readonly length: number | undefined
  readonly contentType: string | undefined
}

const longestKept = 4096

/**
 * `_method`, and what frameworks make of it: PHP reads `.` and `[` in a name as `_`, drops spaces before it and takes `_method[]` for
 * it; Rack drops brackets around a name.
 */
const isOverride = /^[\s[\]]*[_.[]method[\s\]]*(?:[[.].*)?$/i

export function judgeRequest(scope: Narrowed<HttpScope>, head: Head): Verdict {
  const verdict = known(scope, head)
  if (!verdict.allow || scope.graphql === undefined) return verdict
  // Not remembered: it reads more of a head than a verdict's key holds.
  const unjudgeable = graphqlProblem(head)
  return unjudgeable === undefined ? verdict : no(verdict.statement, 'statement_unparsable', unjudgeable)
}

function known(scope: Narrowed<HttpScope>, head: Head): Verdict {
  const key = keyOf(head)
  const before = remembered(scope, key)
  if (before !== undefined) return before
  const verdict = judge(scope, head)
  if (key.length <= longestKept) remember(scope, key, verdict)
  return verdict
}

function judge(scope: HttpScope, head: Head): Verdict {
  const { method, target, kind } = head
  if ('unreadable' in target) {
    const statement = { kind, text: `${method} ${head.raw.slice(0, longestKept)}`, touches: [] }
    return no(
      statement,
      'statement_unparsable',
      `the path cannot be read one way alone: it holds ${target.unreadable}`,
    )
  }
  const { path, query, names } = target
  const statement: Statement = {
    kind,
    text: `${method} ${path}${query === undefined ? '' : `?${query}`}`,
    touches: [{ act: method, on: path }],
  }
  const may = `this grant allows ${httpScope.words(scope)}`
  if (!scope.methods.includes(method))
    return no(statement, 'statement_refused', `${method} is not in scope; ${may}`)
  if (!listsOf(scope.paths).every(list => list.some(pattern => matchesPath(pattern, path))))
    return no(statement, 'statement_refused', `${path} is not in scope; ${may}`)
  const unlisted = names.find(name => !inNames(scope.query, name))
  if (unlisted !== undefined)
    return no(
      statement,
      'statement_refused',
      `the query parameter ${JSON.stringify(unlisted.slice(0, 64))} is not in scope; ${may}`,
    )
  // Attack 139: some frameworks let a parameter be the method.
  const override = names.find(name => isOverride.test(name) && !scope.query.includes(name))
  if (override !== undefined)
    return no(
      statement,
      'statement_refused',
      `the query parameter ${override} would change the method; only a scope that names it allows it`,
    )
  if (kind === 'upgrade' && !scope.websocket)
    return no(statement, 'statement_refused', `WebSocket is not in scope; ${may}`)
  if (kind === 'upgrade' && scope.mask.length > 0)
    return no(statement, 'statement_refused', 'answers are masked, and a WebSocket has none that could be')
  const { length, contentType } = head
  if (length !== 0 && !inNames(scope.content_types, contentType ?? ''))
    return no(
      statement,
      'statement_refused',
      `a body of type ${contentType?.slice(0, 64) ?? 'none'} is not in scope; ${may}`,
    )
  if (length !== undefined && length > scope.max_body)
    return { allow: false, statement, denial: bodyTooLarge(scope.max_body) }
  return { allow: true, statement, again: 'whole' }
}

export function bodyTooLarge(most: number): Denial {
  const say = `a body may have at most ${most} bytes here`
  return refuse('limit_exceeded', say, { say, facts: { status: 413 } }).denial
}

export function answerTooLarge(most: number): Denial {
  const say = `the answer is larger than the ${most} bytes that the grant's scope allows`
  return refuse('limit_exceeded', say, { say, facts: { status: 502 } }).denial
}

function no(statement: Statement, code: 'statement_refused' | 'statement_unparsable', why: string): Verdict {
  return { allow: false, statement, denial: refuse(code, why, { say: why }).denial }
}

const verdicts = new WeakMap<HttpScope, Map<string, Verdict>>()
const mostKept = 1024

/** All that a verdict depends on. A length within the limit says no more than that there is a body. */
function keyOf({ kind, method, raw, length, contentType }: Head): string {
  return `${kind} ${method} ${length ?? '?'} ${contentType ?? ''} ${raw}`
}

function remembered(scope: HttpScope, key: string): Verdict | undefined {
  return verdicts.get(scope)?.get(key)
}

function remember(scope: HttpScope, key: string, verdict: Verdict): void {
  const kept = verdicts.get(scope) ?? new Map<string, Verdict>()
  if (kept.size >= mostKept) kept.clear()
  verdicts.set(scope, kept.set(key, verdict))
}
