/**
 * Watches: one event a line of JSON, and no end of their own. Passed on in whole lines, so that one that is cut can end in
 * the words of the API: an ERROR event with a Status. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Denial, GatewayError, refuse } from '../../denial.ts'
import { type Filter, type Head, valuesOf } from '../http/index.ts'
import { statusFor } from './refuse.ts'

/** An object has at most about 3 MiB in etcd. */
const longestEvent = 16 * 1024 * 1024
const newline = 0x0a
const nothing = Buffer.alloc(0)

/** Event by event; `through` is given one without its newline, and answers with what goes on in its place. */
export function byEvent(through?: (event: Buffer) => Buffer): Filter {
  let held: Buffer = nothing
  return {
    farewell,
    push(chunk) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk])
      const end = bytes.lastIndexOf(newline) + 1
      held = Buffer.from(bytes.subarray(end))
      if (held.length > longestEvent)
        throw new GatewayError(refuse('upstream_refused', 'an event that is too large').denial, undefined)
      const lines = bytes.subarray(0, end)
      return through === undefined
        ? lines
        : Buffer.concat(split(lines).flatMap(line => [through(line), lineEnd]))
    },
    end: () => (held.length === 0 || through === undefined ? held : through(held)),
  }
}

const lineEnd = Buffer.from('\n')

function split(lines: Buffer): readonly Buffer[] {
  const out: Buffer[] = []
  for (let from = 0; from < lines.length; ) {
    const end = lines.indexOf(newline, from)
    out.push(lines.subarray(from, end))
    from = end + 1
  }
  return out
}

const farewell = (denial: Denial): Buffer =>
  Buffer.from(`${JSON.stringify({ type: 'ERROR', object: statusFor(denial) })}\n`)

/** What of a client's Accept is JSON, tables among it; other forms of a watch could not be ended in words. */
export function anyJson(rawHeaders: Head['rawHeaders']): string[] {
  const types = valuesOf(rawHeaders, 'accept').flatMap(value => value.split(',').map(type => type.trim()))
  const json = types.filter(type => /^application\/json\s*(?:;|$)/i.test(type))
  return ['accept', json.length === 0 ? 'application/json' : json.join(', ')]
}

export function wholeEvents(
  status: number,
  { 'content-type': type = '' }: IncomingHttpHeaders,
): Filter | undefined {
  return status === 200 && /^application\/json\s*(?:;|$)/i.test(type) ? byEvent() : undefined
}
