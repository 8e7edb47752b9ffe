/**
 * OAuth client credentials (RFC 6749 section 4.4): an access token from the target's own token endpoint, kept until a
 * while before it ends, one request for it at a time however many wait. The endpoint's address is judged and pinned as a
 * target's is (attack 147), redirects are not followed, and what it answers is capped.
 */
import { z } from 'zod'
import { hostOf } from '../../config/address.ts'
import { Refused, refuse } from '../../denial.ts'
import { pinAddress } from './address.ts'
import { Pool } from './pool.ts'

export interface TokenClient {
  readonly url: URL
  readonly id: string
  readonly secret: string
  readonly scope?: string | undefined
  readonly audience?: string | undefined
  /** Where the client's credential stands: in an Authorization header, or in the form (RFC 6749 section 2.3.1). */
  readonly auth: 'basic' | 'post'
  readonly ca?: string | undefined
}

const mostBytes = 64 * 1024
const patience = 10_000
/** Asked for anew this long before its end, in the background; half of its life where it is shorter. */
const ahead = 60_000
/** RFC 6749 section 5.1 only recommends `expires_in`. */
const usualLife = 300_000

const answer = z.object({
  access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.coerce
    .number()
    .min(1)
    .max(86_400 * 366)
    .optional(),
})

export class ClientToken {
  readonly #client: TokenClient
  readonly #onToken: (token: string) => void
  readonly #now: () => number
  #renewAt = 0
  #endsAt = 0
  #asking: Promise<Refused | undefined> | undefined

  /** `onToken` is told each new token before anybody may use it; `now` in monotonic milliseconds. */
  constructor(client: TokenClient, onToken: (token: string) => void, now: () => number) {
    this.#client = client
    this.#onToken = onToken
    this.#now = now
  }

  /** Undefined where there is a good one; else what to wait for. */
  ready(): Promise<Refused | undefined> | undefined {
    const now = this.#now()
    if (now < this.#renewAt) return undefined
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return now < this.#endsAt ? undefined : this.#asking
  }

  async #ask(): Promise<Refused | undefined> {
    const asked = this.#now()
    const got = await fetchToken(this.#client)
    // The next request asks again.
    if (got instanceof Refused) return got
    this.#onToken(got.token)
    this.#endsAt = asked + got.life
    this.#renewAt = this.#endsAt - Math.min(ahead, got.life / 2)
    return undefined
  }
}

async function fetchToken(client: TokenClient): Promise<{ token: string; life: number } | Refused> {
  const { url } = client
  const address = await pinAddress(hostOf(url))
  if (address instanceof Refused) return address
  const secure = url.protocol === 'https:'
  const { ca } = client
  const pool = new Pool({
    address: address.address,
    port: Number(url.port || (secure ? 443 : 80)),
    host: url.host,
    ...(secure ? { tls: { servername: hostOf(url), ...(ca === undefined ? {} : { ca }) } } : {}),
  })
  try {
    const got = await post(pool, client)
    if (got instanceof Refused) return got
    const read = answer.safeParse(json(got))
    if (!read.success) return failed('it answered no bearer token')
    const { access_token: token, expires_in: seconds } = read.data
    return { token, life: seconds === undefined ? usualLife : seconds * 1000 }
  } finally {
    pool.destroy()
  }
}

function post(
  pool: Pool,
  { url, id, secret, scope, audience, auth }: TokenClient,
): Promise<Buffer | Refused> {
  const form = new URLSearchParams({ grant_type: 'client_credentials' })
  if (scope !== undefined) form.set('scope', scope)
  if (audience !== undefined) form.set('audience', audience)
  const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json']
  if (auth === 'post') {
    form.set('client_id', id)
    form.set('client_secret', secret)
  } else
    headers.push(
      'authorization',
      `Basic ${Buffer.from(`${formed(id)}:${formed(secret)}`).toString('base64')}`,
    )
  return new Promise(resolve => {
    let status = 0
    let bytes = 0
    const chunks: Buffer[] = []
    const settle = (answered: Buffer | Refused) => {
      clearTimeout(late)
      if (answered instanceof Refused) sending.abort()
      resolve(answered)
    }
    const late = setTimeout(() => settle(failed('it did not answer in time')), patience)
    const sending = pool.send(
      { method: 'POST', path: url.pathname + url.search, headers, body: Buffer.from(form.toString()) },
      {
        onHead(answered) {
          status = answered
        },
        onData(chunk) {
          bytes += chunk.length
          if (bytes > mostBytes) settle(failed('it answered too much'))
          else chunks.push(chunk)
        },
        // What it says of an error may hold what it was sent.
        onEnd: () => settle(status === 200 ? Buffer.concat(chunks) : failed(`it answered ${status}`)),
        onError: error => settle(failed((error as NodeJS.ErrnoException).code ?? error.name)),
      },
    )
  })
}

/** RFC 6749 section 2.3.1 and appendix B: both halves are form-encoded before they are joined. */
const formed = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

const failed = (why: string) =>
  refuse('upstream_unreachable', `the token endpoint: ${why}`, {
    say: "the target's token endpoint gave no token",
  })
