/**
 * What leaves of masked members of a JSON answer. The answer is read whole, and written anew from what was read, so
 * nothing is let through that was not looked at; what is not JSON is refused (DESIGN.md, deny by default). Pure.
 */
import { createHmac, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, type Refused, refuse } from '../../denial.ts'
import { parseAsWritten } from '../../statement/http/json.ts'
import { type JsonPath, readJsonPath, replaceAt } from '../../statement/http/json-path.ts'
import type { Filter } from './scrub.ts'

export type MaskWith = 'full' | 'partial' | 'hash' | 'blank'

export interface Mask {
  readonly path: string
  readonly with: MaskWith
}

/** The less of a value a mask lets through, the stronger it is. */
const strength: Readonly<Record<MaskWith, number>> = { partial: 1, hash: 2, blank: 3, full: 4 }

/** Both sides' paths; one that both name gets the stronger mask. */
export function meetMasks(ours: readonly Mask[], theirs: readonly Mask[]): readonly Mask[] {
  const met = new Map<string, Mask>()
  for (const mask of [...ours, ...theirs]) {
    const other = met.get(mask.path)
    if (other === undefined || strength[mask.with] > strength[other.with]) met.set(mask.path, mask)
  }
  return [...met.values()]
}

/** What is read whole before any of it leaves. */
const mostBytes = 16 * 1024 * 1024
const json = /^application\/(?:json|[a-z0-9.+-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

/** For one answer: how its bytes leave, or why it cannot. */
export function maskAnswer(
  masks: readonly Mask[],
  status: number,
  { 'content-type': type, 'content-length': length }: IncomingHttpHeaders,
): Filter | Refused {
  if (status === 204 || status === 304 || length === '0') return empty
  if (!json.test(type ?? '')) return unmaskable(`it is ${type?.slice(0, 64) ?? 'of no type'} and not JSON`)
  if (status === 206) return unmaskable('it is a part of a whole')
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    whole: true,
    push(chunk) {
      bytes += chunk.length
      if (bytes > mostBytes)
        throw new GatewayError(unmaskable(`it has more than ${mostBytes} bytes`).denial, undefined)
      // A copy: the memory may be used for another answer.
      chunks.push(Buffer.from(chunk))
      return nothing
    },
    end: () => masked(Buffer.concat(chunks), masks),
  }
}

const nothing = Buffer.alloc(0)
const empty: Filter = {
  push() {
    throw new GatewayError(unmaskable('it has a body where there is none').denial, undefined)
  },
  end: () => nothing,
}

function masked(bytes: Buffer, masks: readonly Mask[]): Buffer {
  let value: unknown
  try {
    value = parseAsWritten(bytes)
    // `$` itself has no path: a value alone is never a member.
    for (const { path, with: form } of masks)
      replaceAt(value, pathOf(path), found => maskedValue(found, form))
  } catch {
    throw new GatewayError(unmaskable('its JSON cannot be read').denial, undefined)
  }
  return Buffer.from(JSON.stringify(value))
}

const paths = new Map<string, JsonPath>()
const mostPaths = 1024

function pathOf(text: string): JsonPath {
  const known = paths.get(text)
  if (known !== undefined) return known
  const read = readJsonPath(text)
  if ('problem' in read) throw new TypeError('a path that no schema let in')
  if (paths.size >= mostPaths) paths.clear()
  paths.set(text, read)
  return read
}

/** Equal values look equal within one run of the gateway, and nobody can try values against it. */
const key = randomBytes(32)

/** What has no text to mask becomes null, and all that is below it goes with it. */
function maskedValue(found: unknown, form: MaskWith): unknown {
  if (typeof found !== 'string') return null
  if (form === 'full') return '***'
  if (form === 'blank') return ''
  if (form === 'hash') return createHmac('sha256', key).update(found).digest('hex').slice(0, 32)
  const [first = ''] = found
  const at = found.lastIndexOf('@')
  if (at > 0) return `${at > first.length ? first : ''}***${found.slice(at)}`
  return found.length > first.length ? `${first}***` : '***'
}

function unmaskable(why: string): Refused {
  const say = `parts of this answer are masked, and it cannot be looked into: ${why}`
  return refuse('upstream_refused', say, { say, facts: { status: 502 } })
}
