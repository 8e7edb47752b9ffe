/**
 * Answers that must be looked into before any of them leaves: held whole, and JSON written anew from what was read of it, so
 * that nothing leaves that was not looked at. Pure.
 */
import { GatewayError, type Refused } from '../../denial.ts'
import { parseAsWritten, TooMuch } from '../../statement/http/json.ts'
import type { Filter } from './scrub.ts'

/** Read, looked through and written in one go, while nobody else is served: a tenth of a second, with what {@link TooMuch} bounds. */
const mostBytes = 8 * 1024 * 1024
const nothing = Buffer.alloc(0)

/** Why an answer cannot be looked into, as its caller tells it. */
export type Unreadable = (why: string) => Refused

/** `rewrite` makes what leaves of the whole. */
export function heldWhole(rewrite: (whole: Buffer) => Buffer, unreadable: Unreadable): Filter {
  const chunks: Buffer[] = []
  let bytes = 0
  return {
    whole: true,
    push(chunk) {
      bytes += chunk.length
      if (bytes > mostBytes)
        throw new GatewayError(unreadable(`it has more than ${mostBytes} bytes`).denial, undefined)
      // A copy: the memory may be used for another answer.
      chunks.push(Buffer.from(chunk))
      return nothing
    },
    end: () => rewrite(Buffer.concat(chunks)),
  }
}

/** JSON as `change` leaves it. */
export function writtenAnew(
  bytes: Buffer,
  change: (value: unknown) => unknown,
  unreadable: Unreadable,
): Buffer {
  let value: unknown
  try {
    value = change(parseAsWritten(bytes))
  } catch (error) {
    const why = error instanceof TooMuch ? error.message : 'its JSON cannot be read'
    throw new GatewayError(unreadable(why).denial, error)
  }
  return Buffer.from(JSON.stringify(value))
}
