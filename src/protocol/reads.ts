/**
 * What a socket brings, handed over where it is read: into buffers that serve again and again, instead of an allocation, an
 * event and two turns of the tick queue a read (DESIGN section 10).
 *
 * Node offers that (`onread`) to sockets that connect and not to those that were accepted: the handle of one that was
 * accepted gets a second socket. `_handle` is Node's own name; Node is pinned, and reads.test.ts fails where it is gone.
 */
import { type OnReadOpts, Socket } from 'node:net'
import type { Readable } from 'node:stream'

/** An idle session holds the small buffer; while much comes, reads are large. */
const SMALL = 8 * 1024
const LARGE = 64 * 1024

export interface Reader {
  /** The bytes are the reader's until it returns, and longer only where {@link Reader.keeps} says so. */
  take(chunk: Buffer): void
  /** Bytes of the last chunk are still needed: the next read gets a buffer of its own. Without it none ever are. */
  keeps?(): boolean
}

export type ReadBy = (reader: Reader) => void

export interface Accepted {
  /** In place of the one that was accepted; what is read before there is a reader comes from its stream. */
  readonly socket: Socket
  /** From now on nothing comes from the stream but its end. */
  readonly readBy: ReadBy
}

/** For streams that have no buffers to hand over. */
export const byEvents =
  (stream: Readable): ReadBy =>
  reader => {
    stream.on('data', (chunk: Buffer) => reader.take(chunk))
  }

/** Where it answers false, nothing more is read until the socket is resumed. */
type Take = (chunk: Buffer) => unknown

/** For `onread` of a socket: buffers of its own. */
export function buffersFor(take: Take, keeps: () => boolean): OnReadOpts {
  const small = Buffer.allocUnsafeSlow(SMALL)
  let large: Buffer | null = null
  let last = 0
  return {
    buffer() {
      const much = last >= SMALL
      if (keeps()) return Buffer.allocUnsafeSlow(much ? LARGE : SMALL)
      if (!much) large = null
      else large ??= Buffer.allocUnsafeSlow(LARGE)
      return large ?? small
    },
    callback(count, bytes) {
      last = count
      return take((bytes as Buffer).subarray(0, count)) !== false
    },
  }
}

/**
 * Call it before the socket is read from. Whoever holds the socket that was accepted can still destroy it, and hears of its end.
 * `shared` may be one buffer for many sockets, whose readers keep nothing.
 */
export function takeOver(accepted: Socket, shared?: Uint8Array): Accepted {
  const held = accepted as unknown as { _handle: object | null }
  let reader: Reader | null = null
  const take = (chunk: Buffer) => (reader === null ? socket.push(Buffer.from(chunk)) : reader.take(chunk))
  const onread =
    shared === undefined ? buffersFor(take, () => reader?.keeps?.() ?? false) : intoShared(shared, take)
  const socket = new Socket({ handle: held._handle, onread } as ConstructorParameters<typeof Socket>[0])
  held._handle = null
  socket.on('error', () => socket.destroy())
  socket.once('close', () => accepted.destroy())
  accepted.once('close', () => socket.destroy())
  if (accepted.destroyed) socket.destroy()
  return {
    socket,
    readBy(next) {
      reader = next
    },
  }
}

/** For `onread` of many sockets: one buffer, of which nothing is kept. */
export const intoShared = (buffer: Uint8Array, take: Take): OnReadOpts => ({
  buffer,
  callback: (count, bytes) => take(Buffer.from(bytes.buffer, bytes.byteOffset, count)) !== false,
})
