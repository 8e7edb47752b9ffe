/**
 * A request as Kubernetes reads it: verb, group, resource, subresource, namespace and name, as the API server's own
 * RequestInfoFactory finds them (k8s.io/apiserver, pkg/endpoints/request). What the two could read differently is
 * refused, so that what was judged is what the server does. Pure.
 */

export interface ResourceRequest {
  readonly is: 'resource'
  readonly verb: string
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly namespace: string | undefined
  readonly resource: string
  readonly subresource: string | undefined
  /** Of a list or watch, the one name that its field selector leaves. */
  readonly name: string | undefined
  readonly query: ReadonlyMap<string, readonly string[]>
}

export interface PathRequest {
  readonly is: 'path'
  /** `get`, `post`: the method, in lower case, as the server has it for what is no resource. */
  readonly verb: string
  readonly path: string
}

export type RequestInfo = ResourceRequest | PathRequest | { readonly is: 'unreadable'; readonly why: string }

const unreadable = (why: string): RequestInfo => ({ is: 'unreadable', why })

/** What a name may be made of: DNS names, and RBAC's `system:node`. A `%` would be decoded before it is read. */
const part = /^[A-Za-z0-9._:-]{1,253}$/

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}

/** Of `namespaces` themselves; everything else below a namespace is a resource in it. */
const ofNamespaces = new Set(['status', 'finalize'])

/** Each of these decides what is done or to what: once, or not at all. */
const single = ['watch', 'fieldSelector', 'labelSelector', 'container', 'stdin', 'stdout', 'stderr', 'tty']

/** `path` is in its one form; `query` as it came. */
export function readRequestInfo(method: string, path: string, query: string | undefined): RequestInfo {
  const parts = path.replace(/^\/|\/$/g, '').split('/')
  const [prefix = ''] = parts
  const groupless = prefix === 'api'
  if ((!groupless && prefix !== 'apis') || parts.length < (groupless ? 3 : 4)) {
    // `/API/v1` and the like are no resources to the server either; what looks like one is not let through as a path.
    if (/^apis?$/i.test(prefix) && !groupless && prefix !== 'apis')
      return unreadable('a path like that of an API')
    return { is: 'path', verb: method.toLowerCase(), path }
  }
  if (!parts.every(one => part.test(one))) return unreadable('a part of the path that is no name')
  const asked = readQuery(query)
  if (typeof asked === 'string') return unreadable(asked)
  const [group, version, ...rest] = groupless ? ['', ...parts.slice(1)] : parts.slice(1)
  return readResource(method, { group: group ?? '', version: version ?? '' }, rest, asked)
}

function readResource(
  method: string,
  api: { readonly group: string; readonly version: string },
  parts: readonly string[],
  query: ReadonlyMap<string, readonly string[]>,
): RequestInfo {
  // The server still takes `/api/v1/watch/...`, which ends in the same as ?watch=1, and names `proxy` so.
  if (parts[0] === 'watch' || parts[0] === 'proxy')
    return unreadable(`the ${parts[0]}/ prefix, which is deprecated`)
  const said = verbs[method]
  if (said === undefined) return unreadable(`the method ${method.slice(0, 16)}`)
  const { namespace, left } = readNamespace(parts)
  const [resource = '', named, subresource] = left
  // `pods/web/exec/more`: what an API makes of the rest is nobody's to know.
  if (left.length > 3 && subresource !== 'proxy')
    return unreadable('a path that goes on behind a subresource')
  let verb = said
  let name = named
  if (name === undefined && verb === 'get') {
    verb = isTrue(query, 'watch') ? 'watch' : 'list'
    name = selectedName(query.get('fieldSelector')?.[0])
  } else if (name === undefined && verb === 'delete') verb = 'deletecollection'
  else if (isTrue(query, 'watch') && verb === 'get') return unreadable('a watch of one object by its path')
  return { is: 'resource', verb, ...api, namespace, resource, subresource, name, query }
}

function readNamespace(parts: readonly string[]): { namespace: string | undefined; left: readonly string[] } {
  const [first, namespace, next] = parts
  if (first !== 'namespaces' || namespace === undefined) return { namespace: undefined, left: parts }
  const inside = next !== undefined && !ofNamespaces.has(next)
  return { namespace, left: inside ? parts.slice(2) : parts }
}

/** Parameters by name, or why not. */
function readQuery(query: string | undefined): ReadonlyMap<string, readonly string[]> | string {
  const found = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(query ?? ''))
    found.set(name, [...(found.get(name) ?? []), value])
  for (const name of single) if ((found.get(name)?.length ?? 0) > 1) return `the parameter ${name} twice`
  for (const name of found.keys())
    if (single.some(one => one !== name && one.toLowerCase() === name.toLowerCase()))
      return `a parameter that is spelled like ${name}`
  for (const name of ['watch', 'stdin', 'stdout', 'stderr', 'tty']) {
    const value = found.get(name)?.[0]
    if (value !== undefined && !/^(1|0|true|false)$/.test(value))
      return `${name} that is neither true nor false`
  }
  return found
}

const isTrue = (query: ReadonlyMap<string, readonly string[]>, name: string): boolean =>
  /^(1|true)$/.test(query.get(name)?.[0] ?? '')

/** `metadata.name=web`, alone or beside other terms, leaves at most that one object. */
function selectedName(selector: string | undefined): string | undefined {
  if (selector === undefined || selector.includes('\\')) return undefined
  const names = selector
    .split(',')
    .flatMap(term => /^metadata\.name==?([A-Za-z0-9.:-]+)$/.exec(term)?.[1] ?? [])
  return names.length === 1 ? names[0] : undefined
}
