/**
 * A request's body on its way on. A small one is read first, so that it stands in the statement's record before a byte
 * goes upstream; a larger one streams through a meter that counts, caps and digests it, each piece recorded before it goes.
 */
import type { IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'
import { GatewayError, Refused, refuse } from '../../denial.ts'
import type { Recorder, StreamRecorder } from '../../recording/record.ts'
import { bodyTooLarge } from './guard.ts'

/** As much as a record keeps of a statement's parameters. */
export const smallBody = 16 * 1024

/** The whole body of at most {@link smallBody} bytes that its head announced. */
export async function readSmall(request: IncomingMessage, length: number): Promise<Buffer | Refused> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer)
  } catch (error) {
    return refuse('request_invalid', `the body ended early: ${(error as Error).message}`)
  }
  const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
  return body.length === length ? body : refuse('request_invalid', `${body.length} bytes of ${length} came`)
}

/** Ends with a {@link GatewayError} that says what was wrong: `onWrong` is told before the upstream sees the end. */
export function meter(
  request: IncomingMessage,
  most: number,
  recorder: Recorder,
  recorded: StreamRecorder,
  onWrong: (error: GatewayError) => void,
): Transform {
  let bytes = 0
  const wrong = (refused: Refused, cause: unknown) => {
    const error = new GatewayError(refused.denial, cause)
    onWrong(error)
    return error
  }
  const through = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      if (bytes > most) return done(wrong(new Refused(bodyTooLarge(most)), undefined))
      recorded.input(chunk)
      try {
        recorder.flush()
      } catch (error) {
        return done(wrong(refuse('recording_unavailable', 'the recording was lost in a body'), error))
      }
      done(null, chunk)
    },
  })
  // Its errors are told through `onWrong`; undici has the stream, and it may be gone already.
  through.on('error', () => undefined)
  request.once('close', () => {
    if (!request.complete)
      through.destroy(wrong(refuse('request_invalid', 'the body ended early'), undefined))
  })
  return request.pipe(through)
}
