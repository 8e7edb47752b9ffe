/**
 * Answers over HTTP/2. For gRPC its own: a refusal is a status that its clients understand, the target's trailers are passed
 * on, and an answer that is cut ends in trailers that say why (gRPC over HTTP/2, "Responses").
 */
import type { ServerHttp2Stream } from 'node:http2'
import { type Denial, sayOf } from '../../denial.ts'
import type { Sink } from './exchange.ts'
import { type FlatHeaders, valuesOf } from './headers.ts'
import { named } from './pool2.ts'
import { type Refusal, statusOf } from './refuse.ts'

/** By RST_STREAM: `close` would end the stream first, and a part would look whole (attack 143). */
function breakOff(stream: ServerHttp2Stream): void {
  stream.destroy(new Error('cut by the gateway'))
}

/**
 * A stream that its client has reset with NO_ERROR is closed, and not destroyed before what has come on it is read: to answer on
 * it throws.
 */
const isGone = (stream: ServerHttp2Stream) => stream.closed || stream.destroyed

function refuseStream(stream: ServerHttp2Stream, { status, headers, body }: Refusal): void {
  if (isGone(stream) || stream.headersSent) return void breakOff(stream)
  stream.respond({ ':status': status, ...named(headers) })
  stream.end(body)
}

export function streamSink(
  stream: ServerHttp2Stream,
  grpc: boolean,
  refusalFor: (denial: Denial) => Refusal,
): Sink {
  let trailers: FlatHeaders = []
  // Node's own response would send its own, which are none.
  stream.removeAllListeners('wantTrailers')
  stream.once('wantTrailers', () => {
    try {
      stream.sendTrailers(named(trailers))
    } catch {
      // Called by Node, with nobody above: what cannot be said ends the one stream.
      breakOff(stream)
    }
  })
  return {
    start(status, headers) {
      if (isGone(stream)) return
      // "Trailers-Only": the target has said it all in its head.
      const isWhole = grpc && valuesOf(headers, 'grpc-status').length > 0
      const how = isWhole ? { endStream: true } : { waitForTrailers: grpc }
      stream.respond({ ':status': status, ...named(headers) }, how)
    },
    write: (chunk, written) => stream.write(chunk, error => (error ? undefined : written?.())),
    end(more = []) {
      trailers = more
      if (!stream.writableEnded) stream.end()
    },
    refuse(denial) {
      if (grpc) refuseGrpc(stream, denial)
      else refuseStream(stream, refusalFor(denial))
    },
    cut(denial) {
      if (!grpc || isGone(stream)) return void breakOff(stream)
      trailers = statusTrailers(denial)
      stream.end()
    },
  }
}

function refuseGrpc(stream: ServerHttp2Stream, denial: Denial): void {
  if (isGone(stream) || stream.headersSent) return void breakOff(stream)
  // "Trailers-Only": everything in one frame.
  const head = { ':status': 200, 'content-type': 'application/grpc', ...named(statusTrailers(denial)) }
  stream.respond(head, { endStream: true })
}

const byHttp: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 5,
  413: 8,
  422: 9,
  429: 8,
  502: 14,
  503: 14,
}

/** The status that says the most, and the words, percent-encoded as gRPC wants them. */
function statusTrailers(denial: Denial): FlatHeaders {
  const status = byHttp[statusOf(denial)] ?? 13
  return [
    'grpc-status',
    String(status),
    'grpc-message',
    percentEncoded(sayOf(denial)),
    'postern-code',
    denial.code,
  ]
}

const percentEncoded = (text: string) =>
  text.replace(/[^\x20-\x24\x26-\x7e]+/g, part => encodeURIComponent(part.toWellFormed()))
