/**
 * What may be done in a cluster, and how two such limits meet (DESIGN.md section 8). Everything unsaid is refused, except
 * `names`, which without a list are all names. Pure.
 */
import { z } from 'zod'
import { listsOf, matchNothing, meetPatterns, type Patterns } from '../../statement/patterns.ts'
import { type Pattern, patternProblem, patternText } from '../../statement/shell/pattern.ts'

export interface KubernetesScope {
  /** get, list, watch, create, update, patch, delete, deletecollection. */
  readonly verbs: readonly string[]
  /** `pods`, `pods/log`, `deployments.apps`, or `*` for every resource, without any subresource. */
  readonly resources: readonly string[]
  /** By name, or `*`: all of them, and what is in none. */
  readonly namespaces: readonly string[]
  readonly names: readonly string[]
  readonly exec: Patterns<Pattern>
  readonly port_forward: readonly number[]
  /** What clients read before they do anything: versions, the list of resources, OpenAPI. */
  readonly discovery: boolean
  /** Paths that are no resources: `/metrics`, or `/logs/*` for what is below. */
  readonly non_resource: readonly string[]
  readonly secrets: 'masked' | 'clear'
}

export type KubernetesLimit = { readonly [K in keyof KubernetesScope]?: KubernetesScope[K] | undefined }

export const verbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
] as const

/** Whatever stands behind them is not judged: another API with the server's own rights (attack 148). */
const opaque = /^(pods|services|nodes)\/proxy$/
/** Judged by keys of their own. */
const own: Readonly<Record<string, string>> = {
  'pods/exec': 'exec',
  'pods/attach': 'exec',
  'pods/portforward': 'port_forward',
}

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const resource = z
  .string()
  .max(253)
  .regex(
    new RegExp(`^(?:\\*|${label}(?:\\.${label})*(?:/[a-z]{1,63})?)$`),
    'a resource is written as pods, pods/log, deployments.apps, or * for all without their subresources',
  )
  .refine(
    name => !opaque.test(name),
    'a proxy subresource can never be allowed: what is behind it is not judged',
  )
  .refine(name => own[name] === undefined, 'exec and port_forward are keys of their own')
const namespace = z
  .string()
  .regex(new RegExp(`^(?:\\*|${label})$`), 'a namespace is named exactly, or * means all')
const name = z
  .string()
  .max(253)
  .regex(/^(?:\*|[A-Za-z0-9._:-]+)$/, 'an object is named exactly, or * means all')
const pattern = z
  .union([z.string().min(1).max(4096), z.array(z.string().max(4096)).min(1).max(256)])
  .superRefine((text, at) => {
    const problem = patternProblem(text)
    if (problem !== undefined) at.addIssue({ code: 'custom', message: problem, input: undefined })
  })
const patterns = z.array(pattern).max(256)
const path = z
  .string()
  .max(256)
  .regex(/^\/[A-Za-z0-9._/-]*\*?$/, 'a path begins with /, and may end in *')
  .refine(text => !/^\/apis?(\/|\*|$)/i.test(text), 'what is below /api and /apis is judged as resources')

const keys = {
  verbs: z.array(z.enum(verbs)).max(8),
  resources: z.array(resource).max(256),
  namespaces: z.array(namespace).max(256),
  names: z.array(name).max(256),
  exec: z.union([patterns, z.strictObject({ all_of: z.array(patterns).min(1).max(16) })]),
  port_forward: z.array(z.int().min(1).max(65_535)).max(64),
  discovery: z.boolean(),
  non_resource: z.array(path).max(64),
  secrets: z.enum(['masked', 'clear']),
}

const complete = z.strictObject({
  verbs: keys.verbs.default([]),
  resources: keys.resources.default([]),
  namespaces: keys.namespaces.default([]),
  names: keys.names.default(['*']),
  exec: keys.exec.default([]),
  port_forward: keys.port_forward.default([]),
  discovery: keys.discovery.default(false),
  non_resource: keys.non_resource.default([]),
  secrets: keys.secrets.default('masked'),
})
const limit = z.strictObject(keys).partial()

export const kubernetesScope = {
  schema: complete as z.ZodType<KubernetesScope>,
  limit: limit as z.ZodType<KubernetesLimit>,
  meet,
  isEmpty,
  words,
  warnings,
}

function meet(scope: KubernetesScope, by: KubernetesLimit): KubernetesScope {
  return {
    verbs: both(scope.verbs, by.verbs),
    resources: starred(scope.resources, by.resources, one => !one.includes('/')),
    namespaces: starred(scope.namespaces, by.namespaces),
    names: starred(scope.names, by.names),
    exec: by.exec === undefined ? scope.exec : meetPatterns(scope.exec, by.exec, ['*']),
    port_forward: both(scope.port_forward, by.port_forward),
    discovery: scope.discovery && by.discovery !== false,
    non_resource:
      by.non_resource === undefined ? scope.non_resource : meetPaths(scope.non_resource, by.non_resource),
    secrets: scope.secrets === 'masked' || by.secrets === 'masked' ? 'masked' : 'clear',
  }
}

const both = <One>(ours: readonly One[], theirs: readonly One[] | undefined): readonly One[] =>
  theirs === undefined ? ours : ours.filter(one => theirs.includes(one))

/** Lists in which `*` stands for all, or for all that `covers` says. */
function starred(
  ours: readonly string[],
  theirs: readonly string[] | undefined,
  covers: (name: string) => boolean = () => true,
): readonly string[] {
  if (theirs === undefined) return ours
  const has = (list: readonly string[], one: string) =>
    list.includes(one) || (list.includes('*') && covers(one))
  return [...new Set([...ours.filter(one => has(theirs, one)), ...theirs.filter(one => has(ours, one))])]
}

export function coversPath(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}

function meetPaths(ours: readonly string[], theirs: readonly string[]): readonly string[] {
  const covered = (one: string, by: readonly string[]) => by.some(other => coversPath(other, one))
  return [
    ...new Set([...ours.filter(one => covered(one, theirs)), ...theirs.filter(one => covered(one, ours))]),
  ]
}

function isEmpty(scope: KubernetesScope): boolean {
  const objects = scope.namespaces.length > 0 || scope.resources.some(one => isClusterWide(one))
  const nowhere = scope.names.length === 0 || !objects
  const does = scope.verbs.length > 0 && scope.resources.length > 0
  const reaches = !matchNothing(scope.exec) || scope.port_forward.length > 0
  return (nowhere || (!does && !reaches)) && scope.non_resource.length === 0
}

function words(scope: KubernetesScope): string {
  if (isEmpty(scope)) return 'nothing'
  const where = scope.namespaces.includes('*')
    ? 'every namespace'
    : scope.namespaces.join(', ') || 'no namespace'
  const parts = [
    `${scope.verbs.join(', ') || 'nothing'} on ${scope.resources.join(', ') || 'nothing'} in ${where}`,
  ]
  if (!scope.names.includes('*')) parts.push(`named ${scope.names.join(', ')}`)
  const commands = execWords(scope)
  if (commands !== undefined) parts.push(`exec of ${commands}`)
  if (scope.port_forward.length > 0) parts.push(`forwarding to ${scope.port_forward.join(', ')}`)
  if (scope.non_resource.length > 0) parts.push(scope.non_resource.join(', '))
  if (scope.secrets === 'clear') parts.push('Secrets in clear')
  return parts.join('; ')
}

export function execWords({ exec }: Pick<KubernetesScope, 'exec'>): string | undefined {
  if (matchNothing(exec)) return undefined
  return listsOf(exec)
    .map(list => list.map(patternText).join(', '))
    .join(' and also ')
}

/** What is in no namespace, of Kubernetes' own API: a list without a namespace is then no list over all of them. */
const clusterWide = new Set([
  ...['namespaces', 'nodes', 'nodes/status', 'persistentvolumes', 'componentstatuses'],
  ...['storageclasses.storage.k8s.io', 'volumeattachments.storage.k8s.io', 'csidrivers.storage.k8s.io'],
  ...['csinodes.storage.k8s.io', 'priorityclasses.scheduling.k8s.io', 'runtimeclasses.node.k8s.io'],
  ...['ingressclasses.networking.k8s.io', 'customresourcedefinitions.apiextensions.k8s.io'],
  ...['apiservices.apiregistration.k8s.io', 'clusterroles.rbac.authorization.k8s.io'],
  ...['clusterrolebindings.rbac.authorization.k8s.io', 'certificatesigningrequests.certificates.k8s.io'],
  ...['selfsubjectaccessreviews.authorization.k8s.io', 'selfsubjectrulesreviews.authorization.k8s.io'],
  ...['selfsubjectreviews.authentication.k8s.io', 'nodes.metrics.k8s.io'],
])
export const isClusterWide = (resource: string): boolean => clusterWide.has(resource)

/** What an author may not have meant. */
function warnings(scope: KubernetesScope): readonly string[] {
  const writes = scope.verbs.some(verb => /^(create|update|patch)$/.test(verb))
  const runs = [
    '*',
    'pods',
    'deployments.apps',
    'daemonsets.apps',
    'statefulsets.apps',
    'jobs.batch',
    'cronjobs.batch',
  ]
  const found: string[] = []
  if (writes && scope.resources.some(one => runs.includes(one)))
    found.push(
      'who may create or change pods may run any image as any service account of the namespace, and read what they can, Secrets in clear among it',
    )
  if (scope.resources.some(one => one === '*' || one.endsWith('rbac.authorization.k8s.io')) && writes)
    found.push("who may write RBAC's objects may give itself what the lease's own rights allow")
  if (scope.resources.includes('serviceaccounts/token'))
    found.push('serviceaccounts/token makes credentials that outlive the grant')
  return found
}
