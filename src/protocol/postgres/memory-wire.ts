/**
 * The client's end of the wire where the client is the gateway's own: what the relay writes is handed on at once and not
 * kept, so its buffers may be used again when the write returns.
 */
import { Duplex } from 'node:stream'

export class MemoryWire extends Duplex {
  #reader: (bytes: Buffer) => void = () => undefined

  /** `reader` keeps copies of what it wants to keep. */
  readBy(reader: (bytes: Buffer) => void): void {
    this.#reader = reader
  }

  say(...frames: readonly Buffer[]): void {
    this.push(Buffer.concat(frames))
  }

  override _read(): void {
    // What is said is pushed when it is said.
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      this.#reader(bytes)
      done()
    } catch (error) {
      done(error as Error)
    }
  }
}
