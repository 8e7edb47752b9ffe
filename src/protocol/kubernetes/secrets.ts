/**
 * Secrets whose values an agent is not to see: their names and keys leave, their values do not. Answers are forced to be
 * plain JSON, read whole or event by event, and written anew from what was read; what is not JSON is refused. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Refused, refuse } from '../../denial.ts'
import { isNumber } from '../../statement/http/json.ts'
import { type Filter, heldWhole, writtenAnew } from '../http/index.ts'
import { isStatus, statusAbout } from './secret-status.ts'
import { byEvent } from './watch.ts'

/** `***` as a Secret's data is written, in base64. */
const stars = 'Kioq'
/** The object as it was applied, data and all. */
export const applied = 'kubectl.kubernetes.io/last-applied-configuration'

/** What is asked for in place of a client's own Accept: protobuf and tables hold the same values in other forms. */
export const plainJson = ['accept', 'application/json']

export function maskSecrets(
  verb: string,
): (status: number, headers: IncomingHttpHeaders) => Filter | Refused {
  return (status, { 'content-type': type = 'no type' }) => {
    if (!/^application\/json\s*(?:;|$)/i.test(type))
      return unmaskable(`it is ${type.slice(0, 64)} and not JSON`)
    const rewrite = (bytes: Buffer) => masked(bytes, status)
    // A watch that could not begin is answered by one Status, on as many lines as it likes.
    return verb === 'watch' && status === 200 ? byEvent(rewrite) : heldWhole(rewrite, unmaskable)
  }
}

function masked(bytes: Buffer, status: number): Buffer {
  if (bytes.every(byte => byte === 0x20 || byte === 0x0d || byte === 0x0a)) return bytes
  return writtenAnew(bytes, value => answer(value, status), unmaskable)
}

/** Whatever an error is answered with, it is about the Secret. */
function answer(value: unknown, status: number): unknown {
  if (isStatus(value)) return statusAbout(value, status)
  if (status >= 400) return statusAbout({}, status)
  if (isEvent(value) && isStatus(value.object))
    return { type: value.type, object: statusAbout(value.object, status) }
  return mask(value)
}

const isEvent = (value: unknown): value is { readonly type: unknown; readonly object: unknown } =>
  typeof value === 'object' && value !== null && 'type' in value && 'object' in value

/** Wherever it stands: a Secret, a list of them, an event, a table's row. */
function mask(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(mask)
  // A number that is kept as it was written is an object too, and frozen.
  if (typeof value !== 'object' || value === null || isNumber(value)) return value
  const object = value as Record<string, unknown>
  for (const [key, held] of Object.entries(object)) {
    if (key === 'data' || key === 'stringData') object[key] = starred(held)
    else if (key === 'annotations' && typeof held === 'object' && held !== null)
      delete (held as never)[applied]
    else object[key] = mask(held)
  }
  return object
}

const starred = (held: unknown): unknown =>
  typeof held === 'object' && held !== null && !Array.isArray(held)
    ? Object.fromEntries(Object.keys(held).map(key => [key, stars]))
    : null

function unmaskable(why: string): Refused {
  const say = `Secrets are masked in this answer, and it cannot be looked into: ${why}`
  return refuse('upstream_refused', say, { say, facts: { status: 502 } })
}
