/** `POST /v1/grants/{id}/request`: one request through the guard, recorder and filters of the wire. */
import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { type Denial, Refused, refuse } from '../../denial.ts'
import { readPath } from '../../statement/http/target.ts'
import type { Call, Session } from '../protocol.ts'
import { guarding } from './answer.ts'
import { Exchange, type Sink } from './exchange.ts'
import type { Head } from './guard.ts'
import { type FlatHeaders, lowered } from './headers.ts'
import { type Dialect, leaseless, onwardOf, placeOf, record } from './serve.ts'
import type { HttpUpstream } from './upstream.ts'

/** What an answer may weigh in a JSON of the API; what is longer is cut and said so. */
const longestAnswer = 1024 * 1024

const input = z.strictObject({
  method: z
    .string()
    .max(32)
    .regex(/^[A-Z][A-Z-]*$/, 'a method is written in capitals: GET, POST'),
  path: z.string().max(16_384).regex(/^\//, 'a path begins with /, below the connection'),
  headers: z
    .record(
      z
        .string()
        .max(128)
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'must be the name of a header'),
      z
        .string()
        .max(8192)
        .regex(/^[\t\x20-\x7e\x80-\xff]*$/, 'must be a header value'),
    )
    // Of two in two spellings one would be judged, and a target may take the other (attack 135).
    .refine(headers => !hasTwins(Object.keys(headers)), 'a header stands there once, in one spelling')
    .optional(),
  body: z.string().optional(),
})

function hasTwins(names: readonly string[]): boolean {
  return new Set(names.map(name => name.toLowerCase())).size < names.length
}

const output = z.object({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
  encoding: z.literal('base64').optional(),
  truncated: z.boolean(),
})

type Input = z.output<typeof input>
type Output = z.output<typeof output>

/** The call, for any protocol that speaks HTTP. */
export function requestCall<Scope>(
  dialect: Pick<Dialect<Scope>, 'judge'>,
): Call<Scope, HttpUpstream, Input, Output> {
  return {
    summary: "One HTTP request on a grant, answered whole; a client's own connection is at `endpoint.url`",
    input,
    output,
    run: (asked, session, gone) => run(asked, session, dialect, gone),
  }
}

async function run<Scope>(
  asked: Input,
  session: Session<Scope, HttpUpstream>,
  dialect: Pick<Dialect<Scope>, 'judge'>,
  gone: AbortSignal | undefined,
): Promise<Output | Refused> {
  const head = headOf(asked)
  const { verdict, passing } = leaseless(head, session.upstream, dialect.judge(head, session.scope))
  const came = asked.body === undefined ? undefined : Buffer.from(asked.body, 'utf8')
  const judged = verdict.allow ? (passing?.whole?.judge(came) ?? { verdict }) : { verdict }
  const body = judged.body ?? came
  const place = judged.verdict.allow ? placeOf(session, judged.verdict) : undefined
  if (place instanceof Refused) return place
  using _place = place
  const unready = await session.upstream.ready()
  if (unready !== undefined) return unready
  const of = record(session, judged.verdict, body)
  if (of instanceof Refused) return of
  if (!judged.verdict.allow) return new Refused(judged.verdict.denial)
  if (passing === undefined) return refuse('internal_error', 'allowed, and no way on')
  const client = { connection: session.grant.connection }
  const sink = new Gathered()
  const exchange = new Exchange(session, of, { ...onwardOf(client, session, head, passing), body }, sink)
  sink.full = () => exchange.abandon()
  const left = () => exchange.abandon()
  gone?.addEventListener('abort', left, { once: true })
  if (gone?.aborted) left()
  exchange.run()
  await exchange.over.finally(() => gone?.removeEventListener('abort', left))
  return sink.answer()
}

function headOf({ method, path, headers = {}, body }: Input): Head {
  const rawHeaders = lowered(Object.entries(headers).flat())
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1]
  const contentType = type?.split(';')[0]?.trim().toLowerCase()
  const length = body === undefined ? 0 : Buffer.byteLength(body)
  return { kind: 'request', method, raw: path, target: readPath(path), rawHeaders, length, contentType }
}

class Gathered implements Sink {
  full: () => void = () => undefined
  readonly #chunks: Buffer[] = []
  #status = 0
  #headers: FlatHeaders = []
  #bytes = 0
  #truncated = false
  #denial: Denial | undefined

  start(status: number, headers: FlatHeaders): void {
    this.#status = status
    this.#headers = headers
  }

  write(chunk: Buffer): boolean {
    const room = longestAnswer - this.#bytes
    this.#bytes += chunk.length
    if (room > 0) this.#chunks.push(chunk.subarray(0, room))
    if (chunk.length <= room) return true
    this.#truncated = true
    this.full()
    return false
  }

  end(): void {
    // Everything is there.
  }

  refuse(denial: Denial): void {
    this.#denial = denial
  }

  cut(): void {
    this.#truncated = true
  }

  answer(): Output | Refused {
    if (this.#denial !== undefined) return new Refused(this.#denial)
    const headers: Record<string, string> = {}
    for (let at = 0; at + 1 < this.#headers.length; at += 2) {
      const [name = '', value = ''] = this.#headers.slice(at, at + 2)
      // What guards a browser at `/c/` is no part of the answer.
      if (guarding.includes(name)) continue
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
    }
    const body = Buffer.concat(this.#chunks)
    const text = isUtf8(body)
    return {
      status: this.#status,
      headers,
      body: body.toString(text ? 'utf8' : 'base64'),
      ...(text ? {} : { encoding: 'base64' as const }),
      truncated: this.#truncated,
    }
  }
}
