/** A request under its session's scope -> a verdict (DESIGN.md section 8). Pure; what it cannot read it refuses. */
import { refuse } from '../../denial.ts'
import type { Statement, Verdict } from '../../recording/record.ts'
import type { RequestTarget } from '../../statement/http/target.ts'
import { listsOf, matchNothing } from '../../statement/patterns.ts'
import { matchArgv } from '../../statement/shell/pattern.ts'
import { type Head, valuesOf } from '../http/index.ts'
import { makes } from './creating.ts'
import { type RequestInfo, type ResourceRequest, readRequestInfo } from './request-info.ts'
import { coversPath, execWords, isClusterWide, type KubernetesScope, kubernetesScope } from './scope.ts'
import { secretWriteProblem } from './secret-writes.ts'

export interface KubernetesVerdict {
  readonly verdict: Verdict
  /** Path and query as they go on. */
  readonly path: string
  readonly info: RequestInfo
}

/** Attack 136: whoever may set these is whoever they name. Dropping them would run the request as somebody else. */
const impersonates = (name: string): boolean => name.startsWith('impersonate-')

export function judgeKubernetes(scope: KubernetesScope, head: Head): KubernetesVerdict {
  const { method, target } = head
  if ('unreadable' in target) {
    const statement = { kind: 'unread', text: `${method} ${head.raw.slice(0, 4096)}`, touches: [] }
    const info: RequestInfo = { is: 'unreadable', why: target.unreadable }
    return { info, path: '', verdict: unread(statement, target.unreadable) }
  }
  const { info, query } = narrowed(
    scope,
    readRequestInfo(method, target.path, target.query),
    head.method,
    target,
  )
  const path = query === undefined ? target.path : `${target.path}?${query}`
  const statement = statementOf(method, path, info)
  if (info.is === 'unreadable') return { info, path, verdict: unread(statement, info.why) }
  const problem = problemOf(scope, head, info)
  if (problem === undefined) return { info, path, verdict: { allow: true, statement } }
  const say = `${problem}; this grant allows ${kubernetesScope.words(scope)}`
  const { denial } = refuse('statement_refused', problem, { say })
  return { info, path, verdict: { allow: false, statement, denial } }
}

/** Where one name is in scope, a list or watch that selects nothing is one of that name. */
function narrowed(
  { names }: KubernetesScope,
  info: RequestInfo,
  method: string,
  { path, query }: RequestTarget,
): { readonly info: RequestInfo; readonly query: string | undefined } {
  const [name, another] = names
  if (info.is !== 'resource' || info.name !== undefined || !/^(list|watch)$/.test(info.verb))
    return { info, query }
  if (name === undefined || name === '*' || another !== undefined || info.query.has('fieldSelector'))
    return { info, query }
  const selecting = `${query === undefined || query === '' ? '' : `${query}&`}fieldSelector=metadata.name%3D${encodeURIComponent(name)}`
  return { info: readRequestInfo(method, path, selecting), query: selecting }
}

function unread(statement: Statement, why: string): Verdict {
  const say = `this request cannot be read one way alone: it has ${why}`
  return { allow: false, statement, denial: refuse('statement_unparsable', why, { say }).denial }
}

function statementOf(method: string, path: string, info: RequestInfo): Statement {
  const text = `${method} ${path}`
  if (info.is === 'unreadable') return { kind: 'unread', text, touches: [] }
  if (info.is === 'path') return { kind: info.verb, text, touches: [{ act: info.verb, on: info.path }] }
  const at = [info.namespace, kindOf(info), info.name].filter(Boolean).join('/')
  const command = info.query.get('command')
  if (kindOf(info) !== 'pods/exec' || command === undefined)
    return { kind: info.verb, text, touches: [{ act: info.verb, on: at }] }
  const ran = { act: 'run', on: command.join(' ').slice(0, 4096) }
  return { kind: 'exec', text, touches: [{ act: 'exec', on: at }, ran] }
}

/** As a scope names it: `pods/log`, `deployments.apps`. */
export function kindOf({ resource, group, subresource }: ResourceRequest): string {
  const named = group === '' ? resource : `${resource}.${group}`
  return subresource === undefined ? named : `${named}/${subresource}`
}

function problemOf(
  scope: KubernetesScope,
  head: Head,
  info: Exclude<RequestInfo, { is: 'unreadable' }>,
): string | undefined {
  const headers = head.rawHeaders.filter((_, at) => at % 2 === 0)
  const as = headers.find(impersonates)
  if (as !== undefined) return `${as} (kubectl --as) cannot be used here`
  if (info.is === 'path') return pathProblem(scope, head, info)
  if (scope.discovery && isSelfReview(info) && head.kind === 'request') return undefined
  return placeProblem(scope, info) ?? actProblem(scope, head, info)
}

/** What every client reads first. */
const discovery = [
  '/version',
  '/version/',
  '/api',
  '/api/',
  '/apis',
  '/apis/',
  '/openapi/v2',
  '/openapi/v3',
  '/openapi/v3/*',
]
/** `/api/v1`, `/apis/apps`, `/apis/apps/v1`: lists of what there is. */
const lists = /^\/(?:api\/[a-z0-9]+|apis\/[a-z0-9.-]+(?:\/[a-z0-9]+)?)\/?$/

function pathProblem(
  scope: KubernetesScope,
  head: Head,
  { verb, path }: { verb: string; path: string },
): string | undefined {
  if (head.kind === 'upgrade') return 'no WebSocket is opened there'
  if (verb !== 'get' && verb !== 'head')
    return `${verb} ${path} is not in scope: what is no resource is only read`
  if (lists.test(path) || discovery.some(one => coversPath(one, path)))
    return scope.discovery ? undefined : 'discovery is not in scope'
  return scope.non_resource.some(one => coversPath(one, path)) ? undefined : `${path} is not in scope`
}

/** Where it is and what it is called. */
function placeProblem(scope: KubernetesScope, info: ResourceRequest): string | undefined {
  const { namespace, name, verb } = info
  const kind = kindOf(info)
  const everywhere = scope.namespaces.includes('*')
  // `get namespaces/shop` is in the namespace shop, as the server has it, and in no other.
  if (namespace !== undefined && !everywhere && !scope.namespaces.includes(namespace))
    return `namespace ${namespace} is not in scope`
  if (namespace === undefined && !everywhere && !(isClusterWide(kind) && scope.resources.includes(kind)))
    return `${kind} of every namespace is not in scope: name one of them (kubectl -n)`
  if (scope.names.includes('*')) return undefined
  if (name !== undefined && scope.names.includes(name)) return undefined
  if (name !== undefined) return `${kind} ${name} is not in scope`
  if (verb === 'create') return `a new ${kind} is not in scope, for its name stands in its body`
  return `every ${kind} is not in scope: name one, or select it (--field-selector metadata.name=...)`
}

function actProblem(scope: KubernetesScope, head: Head, info: ResourceRequest): string | undefined {
  const kind = kindOf(info)
  switch (kind) {
    case 'pods/exec':
      return execProblem(scope, info) ?? streamed(head, 'exec')
    case 'pods/attach':
      return attachProblem(scope) ?? streamed(head, 'attach')
    case 'pods/portforward':
      return portProblem(scope, head, info)
  }
  if (head.kind === 'upgrade') return `no WebSocket is opened to ${kind}`
  if (/\/proxy$/.test(kind)) return `${kind} is never allowed: what is behind it is not judged`
  const listed =
    scope.resources.includes(kind) || (scope.resources.includes('*') && info.subresource === undefined)
  if (!listed) return `${kind} is not in scope`
  if (!scope.verbs.includes(info.verb)) return `${info.verb} is not in scope`
  const making = scope.verbs.includes('create') ? undefined : makes(info, head)
  if (making !== undefined) return `${making} makes what is not there, and create is not in scope`
  return isMaskedSecret(scope, info) ? secretWriteProblem(info, head) : undefined
}

export function isMaskedSecret({ secrets }: KubernetesScope, { resource, group }: ResourceRequest): boolean {
  return secrets === 'masked' && resource === 'secrets' && group === ''
}

/** What may I, who am I: they change nothing, and kubectl's `auth can-i` and `auth whoami` are these. */
const selfReview =
  /^self(subjectaccessreviews|subjectrulesreviews)\.authorization\.k8s\.io$|^selfsubjectreviews\.authentication\.k8s\.io$/

function isSelfReview(info: ResourceRequest): boolean {
  return info.verb === 'create' && info.namespace === undefined && selfReview.test(kindOf(info))
}

/** The sub-protocols whose frames name their channel by one byte. */
const channels = /^(?:v[1-5]\.)?channel\.k8s\.io$/

/** How kubectl forwards ports: what it opens is named in there, and judged in there. */
export function isTunnel({ kind, rawHeaders }: Head): boolean {
  const protocols = valuesOf(rawHeaders, 'sec-websocket-protocol')
  return kind === 'upgrade' && protocols.length === 1 && protocols[0] === 'SPDY/3.1+portforward.k8s.io'
}

/** SPDY, and SPDY within a WebSocket, hide what is in them from whoever does not speak it. */
function streamed({ kind, rawHeaders }: Head, what: string): string | undefined {
  if (kind !== 'upgrade')
    return valuesOf(rawHeaders, 'upgrade').some(value => /spdy/i.test(value))
      ? `${what} over SPDY is not passed on: use a client that speaks WebSocket (kubectl 1.31 or later)`
      : `${what} goes over a WebSocket`
  const protocols = valuesOf(rawHeaders, 'sec-websocket-protocol').flatMap(value =>
    value.split(',').map(one => one.trim()),
  )
  const other = protocols.find(one => !channels.test(one))
  return other === undefined
    ? undefined
    : `${what} over ${other.slice(0, 64)} is not passed on: only channel.k8s.io, up to v5`
}

function execProblem(scope: KubernetesScope, { query, name }: ResourceRequest): string | undefined {
  const words = query.get('command') ?? []
  if (name === undefined || words.length === 0) return 'an exec without a command'
  const allowed = execWords(scope)
  if (allowed === undefined) return 'exec is not in scope'
  // A container's command is a list of words, and no shell reads it: each pattern is held against the words as they are.
  const matches = listsOf(scope.exec).every(list => matchArgv(list, words))
  return matches ? undefined : `this command is not in scope; commands that are: ${allowed}`
}

/** What runs already is whatever it is: only who may run anything may join it. */
function attachProblem({ exec }: KubernetesScope): string | undefined {
  const anything = !matchNothing(exec) && listsOf(exec).every(list => list.includes('*'))
  return anything ? undefined : 'attach is not in scope: it needs exec: ["*"]'
}

function portProblem(
  { port_forward }: KubernetesScope,
  head: Head,
  { query }: ResourceRequest,
): string | undefined {
  if (port_forward.length === 0) return 'port-forward is not in scope'
  if (isTunnel(head)) return query.has('ports') ? 'ports both in the request and in the tunnel' : undefined
  const transport = streamed(head, 'port-forward')
  if (transport !== undefined) return transport
  const ports = (query.get('ports') ?? []).flatMap(text => text.split(','))
  if (ports.length === 0) return 'a port-forward that does not name its ports in the request cannot be judged'
  const other = ports.find(port => !/^[0-9]{1,5}$/.test(port) || !port_forward.includes(Number(port)))
  return other === undefined ? undefined : `forwarding to port ${other.slice(0, 8)} is not in scope`
}
