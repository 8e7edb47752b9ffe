/** One request of our own to the API server, its answer whole and capped. */
import { Refused, refuse } from '../../denial.ts'
import type { HttpUpstream } from '../http/index.ts'

const mostBytes = 4 * 1024 * 1024

/** The object it answers with. A status of 400 or more is a refusal with that status among its facts. */
export function ask(
  upstream: HttpUpstream,
  method: string,
  path: string,
  signal: AbortSignal,
  object?: object,
): Promise<Readonly<Record<string, unknown>> | Refused> {
  const body = object === undefined ? undefined : Buffer.from(JSON.stringify(object))
  const headers = [
    'accept',
    'application/json',
    ...(body === undefined ? [] : ['content-type', 'application/json']),
  ]
  return new Promise(resolve => {
    let status = 0
    let bytes = 0
    const chunks: Buffer[] = []
    const settle = (answer: Readonly<Record<string, unknown>> | Refused) => {
      signal.removeEventListener('abort', late)
      if (answer instanceof Refused) sending?.abort()
      resolve(answer)
    }
    let sending: ReturnType<HttpUpstream['send']> | undefined
    const late = () => settle(refuse('upstream_unreachable', 'it did not answer in time'))
    sending = upstream.send(
      { method, path, headers, body },
      {
        onHead(answered) {
          status = answered
        },
        onData(chunk) {
          bytes += chunk.length
          if (bytes > mostBytes) settle(refuse('upstream_refused', 'it answered too much'))
          // The memory is another answer's as soon as this returns.
          else chunks.push(Buffer.from(chunk))
        },
        onEnd: () => settle(read(status, Buffer.concat(chunks))),
        onError: error => settle(refuse('upstream_unreachable', error.message.slice(0, 500))),
      },
    )
    signal.addEventListener('abort', late, { once: true })
    if (signal.aborted) late()
  })
}

function read(status: number, bytes: Buffer): Readonly<Record<string, unknown>> | Refused {
  let object: Record<string, unknown> = {}
  try {
    object = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
  } catch {
    if (status < 400) return refuse('upstream_refused', `it answered ${status} and no JSON`)
  }
  if (status < 400) return object
  return refuse(
    'upstream_refused',
    `it answered ${status}: ${String(object['message'] ?? '').slice(0, 500)}`,
    {
      facts: { status },
    },
  )
}
