/** Denial -> `Status`, which kubectl and client libraries print as the server's own word. Pure. */
import { type Denial, sayOf } from '../../denial.ts'
import { type Refusal, refusalOf, statusOf } from '../http/index.ts'

/** The reasons that Kubernetes has for these (apimachinery, meta/v1). */
const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  413: 'RequestEntityTooLarge',
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'ServiceUnavailable',
  503: 'ServiceUnavailable',
}

/** The object itself, for where it stands in something else: a watch's last event. */
export function statusFor(denial: Denial) {
  const status = statusOf(denial)
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `postern: ${sayOf(denial)}`,
    reason: reasons[status] ?? 'Forbidden',
    details: { causes: [{ reason: denial.code, message: sayOf(denial) }] },
    code: status,
  }
}

export function statusObject(denial: Denial): Refusal {
  const body = statusFor(denial)
  return refusalOf(body.code, 'application/json', Buffer.from(`${JSON.stringify(body)}\n`))
}
