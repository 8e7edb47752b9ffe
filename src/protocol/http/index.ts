/**
 * HTTP: one API as one connection, at `/c/<connection>/` (docs/protocols/http.md). Every request is judged by itself; all
 * requests of one grant are one session.
 *
 * What a protocol on top of HTTP needs is exported here: {@link serveRequests} with a {@link Dialect} of its own,
 * {@link requestCall}, and {@link reach} for its `dial.ts`.
 */
import type { Protocol } from '../protocol.ts'
import { requestCall } from './calls.ts'
import { clientToken, dial, type HttpLease, type HttpTarget, httpUrl, lease, oauth, target } from './dial.ts'
import { judgeGraphql, longestGraphql } from './graphql.ts'
import { judgeRequest } from './guard.ts'
import { maskAnswer } from './mask.ts'
import { curl, present } from './present.ts'
import { problemOf } from './refuse.ts'
import { type HttpLimit, type HttpScope, httpScope } from './scope.ts'
import { type Dialect, serveRequests } from './serve.ts'
import type { HttpUpstream } from './upstream.ts'

/** @public */
export type { Head } from './guard.ts'
/** @public */
export { lowered, valuesOf } from './headers.ts'
/** @public */
export { heldWhole, writtenAnew } from './held.ts'
/** @public */
export { fetchToken, readJson, type TokenQuestion } from './oauth.ts'
/** @public */
export { certified, reach, verifying } from './reach.ts'
/** @public */
export { type Refusal, refusalOf, statusOf } from './refuse.ts'
/** @public */
export type { Filter } from './scrub.ts'
/** @public */
export type { Judged, Passing } from './serve.ts'
/** @public */
export { presigned, type SigningKey } from './sigv4.ts'
/** @public */
export type { Token } from './token.ts'
/** @public */
export type { Messages } from './upgrade.ts'
/** @public */
export type { Credential } from './upstream.ts'
/** @public */
export { clientToken, type Dialect, type HttpUpstream, httpUrl, oauth, requestCall, serveRequests }

const dialect: Dialect<HttpScope> = {
  judge(head, scope) {
    const verdict = judgeRequest(scope, head)
    if (!verdict.allow || 'unreadable' in head.target) return { verdict }
    const { path, query } = head.target
    const { headers, max_body: maxBody, max_response: maxResponse, graphql, mask } = scope
    const { statement } = verdict
    const passing = { path: query === undefined ? path : `${path}?${query}`, headers, maxBody, maxResponse }
    if (graphql === undefined && mask.length === 0) return { verdict, passing }
    const whole = graphql && {
      most: longestGraphql,
      judge: (body: Buffer | undefined) => judgeGraphql(graphql, head, statement, body, mask.length > 0),
    }
    return {
      verdict,
      passing: {
        ...passing,
        ...(whole === undefined ? {} : { whole }),
        ...(mask.length === 0 ? {} : { answer: (status, answered) => maskAnswer(mask, status, answered) }),
      },
    }
  },
  refuse: problemOf,
}

export const http: Protocol<HttpTarget, HttpLease, HttpScope, HttpLimit, HttpUpstream> = {
  name: 'http',
  requests: true,
  target,
  lease,
  scope: httpScope,
  verifier: 'sha-256',
  serve: (client, door) => serveRequests(client, door, dialect),
  dial,
  calls: { request: requestCall(dialect) },
  present,
  client: curl,
}
