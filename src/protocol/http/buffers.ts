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
/** Lent by us, and not given back yet: Node has memory of this size too, in which many buffers live. */
const lent = new WeakSet<ArrayBufferLike>()

/** The first `length` bytes of {@link reading}. */
export function copyOf(length: number): Buffer {
  if (length < large) return Buffer.from(reading.subarray(0, length))
  const memory = free.pop() ?? new ArrayBuffer(size)
  lent.add(memory)
  const copy = Buffer.from(memory, 0, length)
  reading.copy(copy, 0, 0, length)
  return copy
}

/**
 * Nobody looks at these bytes any more. Whoever calls this knows of every view there is: one that were kept would show
 * another session's answer. Memory that is not ours, or was given back before, stays whose it is.
 */
export function release({ buffer: memory }: Buffer): void {
  if (lent.delete(memory) && memory instanceof ArrayBuffer && free.length < mostFree) free.push(memory)
}
