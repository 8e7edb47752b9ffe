/** Denial -> RFC 9457 problem+json, with the challenge headers of RFC 6750 section 3 and RFC 9728 section 5.1. */
import { type Denial, denials, sayOf } from '../denial.ts'
import { wwwAuthenticate } from '../identity/wwwAuthenticate.ts'

/** Seconds a caller is asked to wait, where waiting helps. */
const RETRY_AFTER: Partial<Record<Denial['code'], number>> = {
  rate_limited: 1,
  issuer_unreachable: 5,
  recording_unavailable: 5,
  shutting_down: 5,
}

/** `instance` correlates the answer with the audit's line; `status` may differ from the code's own for RFC reasons. */
export function problem(
  denial: Denial,
  at: { readonly instance: string; readonly metadata: URL; readonly status?: number },
): Response {
  const status = at.status ?? denials[denial.code].http
  const body = {
    type: `urn:postern:denial:${denial.code}`,
    title: denial.code.replaceAll('_', ' '),
    status,
    detail: sayOf(denial),
    code: denial.code,
    instance: `urn:postern:request:${at.instance}`,
    ...denial.facts,
  }
  const headers = new Headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store' })
  if (status === 401 || status === 403) headers.set('www-authenticate', wwwAuthenticate(denial, at.metadata))
  const wait = RETRY_AFTER[denial.code]
  if (wait !== undefined) headers.set('retry-after', String(wait))
  return new Response(JSON.stringify(body), { status, headers })
}
