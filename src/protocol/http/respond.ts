/** Answers on a client's own response, over HTTP/1.1 or HTTP/2. */
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Denial } from '../../denial.ts'
import type { Sink } from './exchange.ts'
import { isGrpc } from './grpc.ts'
import type { Refusal } from './refuse.ts'
import { streamSink } from './respond2.ts'

/** The stream of a response over HTTP/2. */
export const streamOf = (response: ServerResponse): ServerHttp2Stream | undefined =>
  'stream' in response ? (response.stream as ServerHttp2Stream) : undefined

/** `gone` is called where the client leaves before its answer is whole, or has left already. May be called twice. */
export function onceGone(response: ServerResponse, gone: () => void): void {
  const stream = streamOf(response)
  const out = stream ?? response
  out.once('close', () => out.writableFinished || gone())
  // A reset with NO_ERROR closes a stream without 'close', for as long as what has come on it is not read.
  stream?.once('aborted', () => {
    gone()
    stream.destroy()
  })
  if (out.destroyed || stream?.closed) gone()
}

/** A refusal whole. What of the request was not read is not waited for. */
function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const { status, headers, body } = refusal
  const close = response.req.complete ? [] : ['connection', 'close']
  response.writeHead(status, [...headers, ...close])
  response.end(response.req.method === 'HEAD' ? undefined : body)
}

export function responseSink(
  response: ServerResponse,
  contentType: string | undefined,
  refusalFor: (denial: Denial) => Refusal,
): Sink {
  const stream = streamOf(response)
  if (stream !== undefined) return streamSink(stream, isGrpc(contentType), refusalFor)
  return {
    start(status, headers) {
      // Head, body and end of a small answer come in one turn and leave in one write.
      response.cork()
      process.nextTick(() => response.uncork())
      // Attack 144: an answer before the body has come leaves bytes behind that are no request.
      response.writeHead(status, response.req.complete ? headers : [...headers, 'connection', 'close'])
    },
    // After an error the bytes may still be somebody's.
    write: (chunk, written) => response.write(chunk, written && (error => (error ? undefined : written()))),
    end: () => void response.end(),
    refuse: denial => sendRefusal(response, refusalFor(denial)),
    cut: () => void response.destroy(),
  }
}
