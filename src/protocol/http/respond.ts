/** Answers on a client's own response, over HTTP/1.1 or HTTP/2. */
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Denial } from '../../denial.ts'
import type { Sink } from './exchange.ts'
import { isGrpc } from './grpc.ts'
import type { FlatHeaders } from './headers.ts'
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
  return new ResponseSink(response, refusalFor)
}

/** A body up to here is written as one string with its head: Node gathers pieces first, which costs more than the copy. */
const smallBody = 8 * 1024

/** Head, body and end of a small answer come in one turn, and leave in one write. */
class ResponseSink implements Sink {
  readonly #response: ServerResponse
  readonly #refusalFor: (denial: Denial) => Refusal
  /** The head waits for the end of the turn; `#body` with it. */
  #waits = false
  #body: Buffer | undefined

  constructor(response: ServerResponse, refusalFor: (denial: Denial) => Refusal) {
    this.#response = response
    this.#refusalFor = refusalFor
  }

  start(status: number, headers: FlatHeaders): void {
    const response = this.#response
    // Attack 144: an answer before the body has come leaves bytes behind that are no request.
    response.writeHead(status, response.req.complete ? headers : [...headers, 'connection', 'close'])
    this.#waits = true
    // Whatever asks for the end of a turn in Node's own way costs several times what this does.
    void turnEnd.then(() => this.#turned())
  }

  write(chunk: Buffer, written?: () => void): boolean {
    if (this.#waits && this.#body === undefined && written === undefined && chunk.length <= smallBody) {
      this.#body = chunk
      return true
    }
    this.#leave()
    // After an error the bytes may still be somebody's.
    return this.#response.write(chunk, written && (error => (error ? undefined : written())))
  }

  end(): void {
    if (this.#body !== undefined) this.#leave()
    this.#waits = false
    this.#response.end()
  }

  refuse(denial: Denial): void {
    sendRefusal(this.#response, this.#refusalFor(denial))
  }

  cut(): void {
    this.#waits = false
    this.#response.destroy()
  }

  /** Nothing stands over a microtask that catches. */
  #turned(): void {
    try {
      this.#leave()
    } catch {
      this.#response.destroy()
    }
  }

  #leave(): void {
    if (!this.#waits) return
    this.#waits = false
    const body = this.#body
    this.#body = undefined
    if (body === undefined) this.#response.flushHeaders()
    else this.#response.write(body.toString('latin1'), 'latin1')
  }
}

const turnEnd = Promise.resolve()
