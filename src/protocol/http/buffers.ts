/**
 * Memory for what targets answer. All sockets read into one buffer, and what was read is copied out before anything else
 * is read; large copies are used again once they have been written to their client, for new memory costs more than the
 * copying.
 */

const size = 64 * 1024
/** 4 MiB, however many answers are under way: what is beyond is the garbage collector's. */
const mostFree = 64
/** Smaller ones come out of Node's own pool. */
const large = 16 * 1024

export const reading = Buffer.allocUnsafeSlow(size)
const free: ArrayBuffer[] = []

/** The first `length` bytes of {@link reading}. */
export function copyOf(length: number): Buffer {
  if (length < large) return Buffer.from(reading.subarray(0, length))
  const copy = Buffer.from(free.pop() ?? new ArrayBuffer(size), 0, length)
  reading.copy(copy, 0, 0, length)
  return copy
}

/**
 * Nobody looks at these bytes any more. Whoever calls this knows of every view there is: one that were kept would show
 * another session's answer.
 */
export function release(bytes: Buffer): void {
  const memory = bytes.buffer
  if (
    memory.byteLength === size &&
    memory instanceof ArrayBuffer &&
    free.length < mostFree &&
    memory !== reading.buffer
  )
    free.push(memory)
}
