/**
 * What an API server says about a Secret that is masked: an error's own words hold what was wrong, and for a patch that does
 * not decode that is the whole object. So of a Status nothing goes on but its reason, its code and the name, in words of
 * ours. Pure.
 */

/** apimachinery, meta/v1, StatusReason. */
const reasons =
  /^(?:Unauthorized|Forbidden|NotFound|AlreadyExists|Conflict|Gone|Invalid|ServerTimeout|StoreReadError|Timeout|TooManyRequests|BadRequest|MethodNotAllowed|NotAcceptable|RequestEntityTooLarge|UnsupportedMediaType|InternalError|Expired|ServiceUnavailable)$/
const objectName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The words that people look for. */
const known: Readonly<Record<string, string>> = { NotFound: 'not found', AlreadyExists: 'already exists' }

type Said = Readonly<Record<string, unknown>>

export const isStatus = (value: unknown): value is Said => membersOf(value)['kind'] === 'Status'

/** For JSON. `httpStatus` where it names no code of its own. */
export function statusAbout(said: Said, httpStatus: number): object {
  const reason = text(said['reason'], reasons)
  const code = wholeNumber(said['code']) ?? httpStatus
  const { name, uid, retryAfterSeconds } = membersOf(said['details'])
  const details = {
    name: text(name, objectName),
    kind: 'secrets',
    // kubectl waits for the end of what it deleted by this.
    uid: text(uid, uuid),
    retryAfterSeconds: wholeNumber(retryAfterSeconds),
  }
  const plain = { kind: 'Status', apiVersion: 'v1', metadata: {} }
  if (said['status'] === 'Success') return { ...plain, status: 'Success', details }
  const message = wordsFor(reason, code, details.name)
  return { ...plain, status: 'Failure', message, reason, details, code }
}

function wordsFor(reason: string | undefined, code: number, name: string | undefined): string {
  const of = name === undefined ? 'secrets' : `secrets "${name}"`
  const words = known[reason ?? '']
  return words === undefined
    ? `${of}: ${reason ?? 'Failure'} (${code}). What the API server says of it is not passed on: Secrets are masked`
    : `${of} ${words}`
}

const membersOf = (value: unknown): Said =>
  typeof value === 'object' && value !== null ? (value as Said) : {}

const text = (value: unknown, form: RegExp): string | undefined =>
  typeof value === 'string' && form.test(value) ? value : undefined

/** A number as JSON has it, kept as it was written or not. */
function wholeNumber(value: unknown): number | undefined {
  const written = JSON.stringify(value) ?? ''
  return /^[0-9]{1,9}$/.test(written) ? Number(written) : undefined
}
