/**
 * What a server says over a WebSocket, without the lease's values (attack 141): looked for through all the frames and pieces of a
 * message, so that nothing is let go of one before it is known not to go on in the next. Pure.
 */
import type { OnPayload } from './frames.ts'
import type { Filter, Secrets } from './scrub.ts'

const firstControl = 8

/** `told` gets what leaves. */
export function cleaned(
  secrets: Secrets,
  told: (clean: Buffer, last: boolean, opcode: number) => void,
): OnPayload {
  // One a message: a renewed lease has more values than it had when the WebSocket was opened.
  let scrub: Filter | undefined
  return (payload, last, opcode) => {
    // Whole, and no part of the message it may stand in.
    const isControl = opcode >= firstControl
    if (!isControl) scrub ??= secrets.filter()
    const own = (isControl ? undefined : scrub) ?? secrets.filter()
    const clean = last ? Buffer.concat([own.push(payload), own.end()]) : own.push(payload)
    if (last && !isControl) scrub = undefined
    if (clean.length > 0 || last) told(clean, last, opcode)
    return clean
  }
}
