/**
 * GraphQL requests under a scope of operations (attack 148): every operation of the document, every document of a batch,
 * is judged, whichever of them a variable or `operationName` picks. What goes on is written anew from what was read, so a
 * key that stands there twice cannot be read two ways. Pure.
 */
import { refuse } from '../../denial.ts'
import type { Statement, Touch, Verdict } from '../../recording/record.ts'
import { readDocument } from '../../statement/http/graphql.ts'
import { parseAsWritten } from '../../statement/http/json.ts'
import { inNames } from '../../statement/http/names.ts'
import type { Head } from './guard.ts'
import { valuesOf } from './headers.ts'

export type OperationType = 'query' | 'mutation' | 'subscription'

export interface GraphqlScope {
  readonly operations: readonly OperationType[]
  /** Top-level fields by name; `repo*` for what begins so. `__schema` and `__type` are never covered by a `*`. */
  readonly fields: readonly string[]
}

export interface Rewritten {
  readonly verdict: Verdict
  /** What goes on in the place of what came. */
  readonly body?: Buffer
}

export const longestGraphql = 256 * 1024
const mostInBatch = 20
const keys = ['query', 'operationName', 'variables', 'extensions']

/** Of two charsets, or one in another spelling, a server may take the one that was not read. */
const inUtf8 = /^\s*application\/json\s*(?:;\s*charset=(?:utf-8|"utf-8")\s*)?$/i

/** What is known to be refused before the body has come. */
export function graphqlProblem(head: Head): string | undefined {
  if ('unreadable' in head.target) return undefined
  const { method, kind, target, contentType, rawHeaders } = head
  if (kind === 'upgrade') return 'GraphQL over a WebSocket cannot be judged'
  const named = target.names.filter(name => keys.includes(name))
  if (method === 'GET') {
    if (target.names.some(name => !keys.includes(name))) return 'a parameter that is none of GraphQL'
    if (new Set(named).size < named.length) return 'a parameter of GraphQL that stands there twice'
    return head.length === 0 ? undefined : 'a GET with a body'
  }
  if (method !== 'POST') return `GraphQL is sent by GET or POST, not by ${method}`
  // Some servers take either, and this one was not read.
  if (named.length > 0) return 'a GraphQL request in its query and in its body'
  if (contentType !== 'application/json') return 'GraphQL is read from application/json alone'
  if (!valuesOf(rawHeaders, 'content-type').every(type => inUtf8.test(type)))
    return 'GraphQL is read as UTF-8 alone'
  if (valuesOf(rawHeaders, 'content-encoding').length > 0) return 'a packed body, which cannot be read'
  return undefined
}

/** `statement` is the request's own, without what the body says. */
export function judgeGraphql(
  scope: GraphqlScope,
  head: Head,
  statement: Statement,
  body: Buffer | undefined,
  isMasked: boolean,
): Rewritten {
  const asked = head.method === 'GET' ? fromQuery(head) : fromBody(body)
  if (typeof asked === 'string') return { verdict: no(statement, 'statement_unparsable', asked) }
  const touches: Touch[] = [...statement.touches]
  for (const { query } of asked.requests) {
    const read = readDocument(query)
    if ('unreadable' in read) return { verdict: no(statement, 'statement_unparsable', read.unreadable) }
    // An alias would carry a masked member past its path.
    if (isMasked && read.hasAlias)
      return {
        verdict: no(
          statement,
          'statement_refused',
          'parts of the answers are masked, so no field may have an alias',
        ),
      }
    for (const { type, fields } of read.operations)
      for (const field of fields) touches.push({ act: type, on: field })
    const problem = read.operations
      .map(one => outside(scope, one.type, one.fields, head.method))
      .find(one => one !== undefined)
    if (problem !== undefined) return { verdict: no({ ...statement, touches }, 'statement_refused', problem) }
  }
  const verdict = { allow: true, statement: { ...statement, touches } } as const
  return asked.body === undefined ? { verdict } : { verdict, body: asked.body }
}

function outside(
  scope: GraphqlScope,
  type: OperationType,
  fields: readonly string[],
  method: string,
): string | undefined {
  if (!scope.operations.includes(type))
    return `a ${type} is not in scope; this grant allows ${graphqlWords(scope)}`
  // GraphQL over HTTP, section 4.1: GET is safe, and caches and prefetchers take it to be.
  if (method === 'GET' && type !== 'query') return `a ${type} cannot be sent by GET`
  const field = fields.find(one => one !== '__typename' && !covers(scope.fields, one))
  return field === undefined
    ? undefined
    : `the field ${field} is not in scope; this grant allows ${graphqlWords(scope)}`
}

/** Introspection only where it is named. */
const covers = (fields: readonly string[], field: string) =>
  field.startsWith('__') ? fields.includes(field) : inNames(fields, field)

export const graphqlWords = ({ operations, fields }: GraphqlScope): string =>
  `${operations.join(', ') || 'no operation'} of ${fields.join(', ') || 'no field'}`

interface Asked {
  readonly requests: readonly { readonly query: string }[]
  readonly body?: Buffer
}

function fromQuery({ target }: Head): Asked | string {
  const query = 'names' in target ? new URLSearchParams(target.query ?? '') : undefined
  const text = query?.get('query')
  if (text == null) return persisted
  const extensions = query?.get('extensions') ?? undefined
  const problem = extensions === undefined ? undefined : extensionsProblem(parsed(extensions))
  if (problem !== undefined) return problem
  return { requests: [{ query: text }] }
}

function fromBody(body: Buffer | undefined): Asked | string {
  let json: unknown
  try {
    json = parseAsWritten(body ?? Buffer.alloc(0))
  } catch {
    return 'a body that is not JSON'
  }
  const all: unknown[] = Array.isArray(json) ? json : [json]
  if (all.length === 0 || all.length > mostInBatch) return `a batch of 1 to ${mostInBatch} requests`
  const requests: { query: string }[] = []
  for (const one of all) {
    const problem = requestProblem(one)
    if (problem !== undefined) return problem
    requests.push(one as { query: string })
  }
  return { requests, body: Buffer.from(JSON.stringify(json)) }
}

function requestProblem(one: unknown): string | undefined {
  if (typeof one !== 'object' || one === null || Array.isArray(one)) return 'a request that is no object'
  const { query, operationName, variables, extensions } = one as Record<string, unknown>
  // `id`, `hash`, `doc_id`: a query that only the server knows.
  const other = Object.keys(one).find(key => !keys.includes(key))
  if (other !== undefined) return `a request with ${JSON.stringify(other.slice(0, 32))} in it`
  if (typeof query !== 'string') return persisted
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string')
    return 'an operationName that is no name'
  if (variables !== undefined && variables !== null && typeof variables !== 'object')
    return 'variables that are none'
  return extensionsProblem(extensions)
}

/** As JSON: `persisted\u0051uery` is that name too, and a server may parse a text that it is given, or look into a list. */
function extensionsProblem(extensions: unknown): string | undefined {
  if (extensions === undefined || extensions === null) return undefined
  if (typeof extensions !== 'object' || Array.isArray(extensions)) return 'extensions that are no object'
  return Object.hasOwn(extensions, 'persistedQuery') ? persisted : undefined
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

const persisted = 'a request without the text of its query (a persisted query), which cannot be judged'

function no(statement: Statement, code: 'statement_refused' | 'statement_unparsable', why: string): Verdict {
  return { allow: false, statement, denial: refuse(code, why, { say: why }).denial }
}
