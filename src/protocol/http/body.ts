/**
 * A request's body on its way on. A small one is read first, so that it stands in the statement's record before a byte
 * goes upstream; a larger one goes on as it comes, counted, capped and digested, each piece recorded before it goes.
 */
import type { IncomingMessage } from 'node:http'
import { type Denial, Refused, refuse } from '../../denial.ts'
import { type Recorder, RecordingLost, type StreamRecorder } from '../../recording/record.ts'
import type { Sending } from './connection.ts'
import { bodyTooLarge } from './guard.ts'

/** As much as a record keeps of a statement's parameters. */
export const smallBody = 16 * 1024
/** A body that is signed is held first. */
export const signedBody = 1024 * 1024

/** A body that is held before it goes on; undefined for none. */
export async function readWhole(
  request: IncomingMessage,
  most: number,
): Promise<Buffer | undefined | Refused> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    // Leaving the loop must not take the connection with it: there is an answer to be given.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      if (bytes > most) return new Refused(bodyTooLarge(most))
      chunks.push(chunk as Buffer)
    }
  } catch (error) {
    return refuse('request_invalid', `the body ended early: ${(error as Error).message}`)
  }
  // Node has held it to its Content-Length, or to its last chunk.
  if (!request.complete) return refuse('request_invalid', 'the body ended early')
  if (bytes === 0) return undefined
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

/** Told of what ends a body before the target could see an end. */
export interface Follow {
  onWrong(denial: Denial): void
  onDefect(defect: unknown): void
}

/**
 * A body that goes on as it comes: each piece counted, recorded and written down before it goes. Nothing is read while
 * the target takes nothing.
 */
export class Body {
  readonly #request: IncomingMessage
  readonly #most: number
  readonly #written: { readonly recorder: Recorder; readonly stream: StreamRecorder }
  readonly #follow: Follow
  #to: Sending | undefined
  #bytes = 0

  constructor(
    request: IncomingMessage,
    most: number,
    written: { readonly recorder: Recorder; readonly stream: StreamRecorder },
    follow: Follow,
  ) {
    this.#request = request
    this.#most = most
    this.#written = written
    this.#follow = follow
    request.on('error', () => undefined)
    request.once('close', () => {
      if (!request.complete) this.#wrong(refuse('request_invalid', 'the body ended early').denial)
    })
  }

  /** There is room for (more of) it. */
  flow(to: Sending): void {
    if (this.#to === undefined) {
      this.#request.on('data', (chunk: Buffer) => this.#take(chunk))
      this.#request.once('end', () => this.#to?.end())
    }
    this.#to = to
    this.#request.resume()
  }

  #take(chunk: Buffer): void {
    try {
      this.#pass(chunk)
    } catch (error) {
      if (error instanceof RecordingLost)
        return void this.#wrong(refuse(error.why, 'the recording was lost in a body').denial)
      // Nobody is above a socket's callback: it ends this request, and no other.
      this.#stop()
      this.#follow.onDefect(error)
    }
  }

  #pass(chunk: Buffer): void {
    const { recorder, stream } = this.#written
    this.#bytes += chunk.length
    if (this.#bytes > this.#most) return void this.#wrong(bodyTooLarge(this.#most))
    stream.input(chunk)
    recorder.flush()
    if (this.#to?.write(chunk) === false) this.#request.pause()
  }

  #wrong(denial: Denial): void {
    this.#stop()
    this.#follow.onWrong(denial)
  }

  #stop(): void {
    this.#request.removeAllListeners('data')
    this.#to = undefined
  }
}
