/**
 * What may be asked of an API, and how two such limits meet (DESIGN.md section 8). Everything unsaid is refused, except
 * what says nothing by itself: without `query` and `content_types` any are taken, without `headers` the usual ones go on.
 * Pure.
 */

import { z } from 'zod'
import { readJsonPath } from '../../statement/http/json-path.ts'
import { meetNames } from '../../statement/http/names.ts'
import { pathPatternProblem } from '../../statement/http/pattern.ts'
import { listsOf, matchNothing, meetPatterns, type Patterns } from '../../statement/patterns.ts'
import { type GraphqlScope, graphqlWords } from './graphql.ts'
import { type Mask, meetMasks } from './mask.ts'
import { presetNames, presets } from './presets.ts'

/** Path patterns: one list, or several of which each must match (what two lists meet in). */
export type PathPatterns = Patterns<string>

export interface HttpScope {
  readonly methods: readonly string[]
  readonly paths: PathPatterns
  /** Request headers that go on beside the usual ones; lower case, `x-*` for what begins so. */
  readonly headers: readonly string[]
  /** Names of query parameters. */
  readonly query: readonly string[]
  /** Of request bodies: `application/json`, `text/*`. */
  readonly content_types: readonly string[]
  /** Bytes. */
  readonly max_body: number
  readonly max_response: number
  readonly websocket: boolean
  /** Every request is GraphQL, and these are its operations and fields. */
  readonly graphql?: GraphqlScope
  /** Members of JSON answers that leave masked. */
  readonly mask: readonly Mask[]
}

export type HttpLimit = { readonly [K in keyof HttpScope]?: HttpScope[K] | undefined }

const MiB = 1024 * 1024
const mostBody = 1024 * MiB
/** A long download or an event stream of an hour fits; a disk full does not. */
const mostResponse = 1024 * 1024 * MiB

/** A method is a token in capitals. These two would lead elsewhere or show the lease (attacks 135, 141). */
const method = z
  .string()
  .max(32)
  .regex(/^[A-Z][A-Z-]*$/, 'a method is written in capitals: GET, POST')
  .refine(name => !['TRACE', 'TRACK', 'CONNECT'].includes(name), 'TRACE and CONNECT can never be allowed')

const path = z
  .string()
  .min(1)
  .superRefine((text, at) => {
    const problem = pathPatternProblem(text)
    if (problem !== undefined) at.addIssue({ code: 'custom', message: problem, input: undefined })
  })
const pathList = z.array(path).max(256)
const paths = z.union([pathList, z.strictObject({ all_of: z.array(pathList).min(1).max(16) })])

const header = z
  .string()
  .max(128)
  .regex(
    /^([a-z0-9!#$%&'^`|~.-]+\*?|\*)$/,
    'a header is named in lower case, without underscore; a * may end it',
  )
const parameter = z
  .string()
  .max(128)
  .regex(/^[^*\0]*\*?$/, 'a query parameter is named exactly; a * may end it')
const contentType = z
  .string()
  .max(128)
  .regex(
    /^([a-z0-9.+-]+\/([a-z0-9.+-]+|\*)|\*)$/,
    'a content type is written as application/json or text/*, without parameters',
  )
const bytes = (most: number) => z.int().min(0).max(most)

const field = z
  .string()
  .max(128)
  .regex(/^(?:[A-Za-z_][A-Za-z0-9_]*\*?|\*)$/, 'a field is named exactly; a * may end it')
const graphql = z.strictObject({
  operations: z.array(z.enum(['query', 'mutation', 'subscription'])).max(3),
  fields: z.array(field).max(256),
})
const mask = z
  .array(
    z.strictObject({
      path: z.string().superRefine((text, at) => {
        const read = readJsonPath(text)
        if ('problem' in read) at.addIssue({ code: 'custom', message: read.problem, input: undefined })
      }),
      with: z.enum(['full', 'partial', 'hash', 'blank']),
    }),
  )
  .max(64)

const keys = {
  methods: z.array(method).max(64),
  paths,
  headers: z.array(header).max(256),
  query: z.array(parameter).max(256),
  content_types: z.array(contentType).max(64),
  max_body: bytes(mostBody),
  max_response: bytes(mostResponse),
  websocket: z.boolean(),
  graphql,
  mask,
}

const limit = z.strictObject({
  methods: keys.methods.optional(),
  paths: keys.paths.optional(),
  headers: keys.headers.optional(),
  query: keys.query.optional(),
  content_types: keys.content_types.optional(),
  max_body: keys.max_body.optional(),
  max_response: keys.max_response.optional(),
  websocket: keys.websocket.optional(),
  graphql: keys.graphql.optional(),
  mask: keys.mask.optional(),
})

const complete = limit.extend({
  preset: z
    .enum(presetNames)
    .optional()
    .meta({ description: 'A scope to begin with: docs/protocols/http.md.' }),
})

/** Everything unsaid is refused, except what says nothing by itself. */
const unsaid: HttpScope = {
  methods: [],
  paths: [],
  headers: [],
  query: ['*'],
  content_types: ['*'],
  max_body: 10 * MiB,
  max_response: 1024 * MiB,
  websocket: false,
  mask: [],
}

/** What a rule says, or what its preset does and the rule says beside it: then the narrower of both. */
function completed({ preset, ...said }: z.output<typeof complete>): HttpScope {
  const own = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as HttpLimit
  if (preset === undefined) return normal({ ...unsaid, ...(own as Partial<HttpScope>) })
  return meet(normal({ ...unsaid, ...presets[preset] }), own)
}

export const httpScope = {
  schema: complete.transform(completed) as z.ZodType<HttpScope>,
  limit: limit as z.ZodType<HttpLimit>,
  meet,
  isEmpty,
  words,
  warnings,
}

/** What another entry covers is left out, so that a meeting with itself changes nothing. */
function normal(scope: HttpScope): HttpScope {
  const { headers, query, content_types, graphql, mask } = scope
  return {
    ...scope,
    headers: meetNames(headers, headers),
    query: meetNames(query, query),
    content_types: meetNames(content_types, content_types),
    ...(graphql === undefined ? {} : { graphql: meetGraphql(graphql, graphql) }),
    mask: meetMasks(mask, []),
  }
}

function meet(scope: HttpScope, other: HttpLimit): HttpScope {
  const names = (key: 'headers' | 'query' | 'content_types') => {
    const theirs = other[key]
    return theirs === undefined ? scope[key] : meetNames(scope[key], theirs)
  }
  return {
    methods:
      other.methods === undefined ? scope.methods : scope.methods.filter(one => other.methods?.includes(one)),
    paths: other.paths === undefined ? scope.paths : meetPatterns(scope.paths, other.paths, everyPath),
    headers: names('headers'),
    query: names('query'),
    content_types: names('content_types'),
    max_body: Math.min(scope.max_body, other.max_body ?? scope.max_body),
    max_response: Math.min(scope.max_response, other.max_response ?? scope.max_response),
    websocket: scope.websocket && other.websocket !== false,
    ...graphqlOf(scope.graphql, other.graphql),
    mask: meetMasks(scope.mask, other.mask ?? []),
  }
}

function graphqlOf(
  one: GraphqlScope | undefined,
  other: GraphqlScope | undefined,
): Pick<HttpScope, 'graphql'> {
  const both = one && other ? meetGraphql(one, other) : (one ?? other)
  return both === undefined ? {} : { graphql: both }
}

function meetGraphql(one: GraphqlScope, other: GraphqlScope): GraphqlScope {
  return {
    operations: one.operations.filter(operation => other.operations.includes(operation)),
    fields: meetNames(one.fields, other.fields),
  }
}

const everyPath = ['**', '/**']

function isEmpty(scope: HttpScope): boolean {
  const { methods, paths, graphql } = scope
  const nothing = graphql?.operations.length === 0 || graphql?.fields.length === 0
  return methods.length === 0 || matchNothing(paths) || nothing
}

function words(scope: HttpScope): string {
  if (isEmpty(scope)) return 'nothing'
  const where = listsOf(scope.paths)
    .map(list => list.join(', '))
    .join(' and also ')
  const parts = [`${scope.methods.join(', ')} on ${where}`]
  if (!scope.query.includes('*')) parts.push(`query ${scope.query.join(', ') || 'none'}`)
  if (!scope.content_types.includes('*'))
    parts.push(`bodies of ${scope.content_types.join(', ') || 'no type'}`)
  if (scope.websocket) parts.push('WebSocket')
  if (scope.graphql !== undefined) parts.push(`GraphQL: ${graphqlWords(scope.graphql)}`)
  if (scope.mask.length > 0) parts.push(`masked: ${scope.mask.map(({ path }) => path).join(', ')}`)
  return parts.join('; ')
}

/** A path says little where one path does everything (attack 148). */
function warnings(scope: HttpScope): readonly string[] {
  if (scope.graphql !== undefined) return []
  const texts = listsOf(scope.paths).flat()
  const single = texts.filter(text => /(^|\/)(graphql|jsonrpc|rpc|mcp)$/i.test(text))
  return single.map(
    text =>
      `path ${text} looks like one path for every operation: a scope of paths does not narrow what it does`,
  )
}
