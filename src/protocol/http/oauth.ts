/**
 * A token endpoint's access tokens (RFC 6749): for a client's credential (section 4.4), or for whatever other grant a
 * protocol fills in. The endpoint's address is judged and pinned as a target's is (attack 147), redirects are not
 * followed, and what it answers is capped.
 */
import { isIP } from 'node:net'
import { z } from 'zod'
import { hostOf } from '../../config/address.ts'
import { Refused, refuse } from '../../denial.ts'
import { pinAddress } from './address.ts'
import type { Sending } from './connection.ts'
import { Pool } from './pool.ts'
import type { Token } from './token.ts'

export interface TokenClient {
  readonly id: string
  readonly secret: string
  readonly scope?: string | undefined
  readonly audience?: string | undefined
  /** Where the client's credential stands: in an Authorization header, or in the form (RFC 6749 section 2.3.1). */
  readonly auth: 'basic' | 'post'
}

/** What is asked. */
export interface TokenQuestion {
  readonly form: Readonly<Record<string, string>>
  readonly authorization?: string
}

export interface TokenEndpoint {
  readonly url: URL
  /** PEM; without it the system's CAs. */
  readonly ca?: string | undefined
}

const mostBytes = 64 * 1024
const patience = 10_000
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

/** Pure. */
export function clientCredentials({ id, secret, scope, audience, auth }: TokenClient): TokenQuestion {
  const form = {
    grant_type: 'client_credentials',
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
  }
  if (auth === 'post') return { form: { ...form, client_id: id, client_secret: secret } }
  return {
    form,
    authorization: `Basic ${Buffer.from(`${formed(id)}:${formed(secret)}`).toString('base64')}`,
  }
}

export async function fetchToken(endpoint: TokenEndpoint, question: TokenQuestion): Promise<Token | Refused> {
  const { url, ca } = endpoint
  const host = hostOf(url)
  const address = await pinAddress(host)
  if (address instanceof Refused) return address
  const secure = url.protocol === 'https:'
  // An address has no place in SNI; the certificate is then held against the address that is dialled, which is the same.
  const tls = {
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
  }
  const pool = new Pool({
    address: address.address,
    port: Number(url.port || (secure ? 443 : 80)),
    host: url.host,
    ...(secure ? { tls } : {}),
  })
  try {
    const got = await post(pool, url, question)
    if (got instanceof Refused) return got
    const read = answer.safeParse(readJson(got.toString('utf8')))
    if (!read.success) return failed('it answered no bearer token')
    const { access_token: token, expires_in: seconds } = read.data
    return { token, life: seconds === undefined ? usualLife : seconds * 1000 }
  } finally {
    pool.destroy()
  }
}

function post(pool: Pool, url: URL, { form, authorization }: TokenQuestion): Promise<Buffer | Refused> {
  const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json']
  if (authorization !== undefined) headers.push('authorization', authorization)
  const body = Buffer.from(new URLSearchParams(form).toString())
  return new Promise(resolve => {
    let status = 0
    let bytes = 0
    const chunks: Buffer[] = []
    const settle = (answered: Buffer | Refused) => {
      clearTimeout(late)
      if (answered instanceof Refused) sending?.abort()
      resolve(answered)
    }
    let sending: Sending | undefined
    const late = setTimeout(() => settle(failed('it did not answer in time')), patience)
    // May fail before it returns.
    sending = pool.send(
      { method: 'POST', path: url.pathname + url.search, headers, body },
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

/** Undefined for what is none. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const failed = (why: string) =>
  refuse('upstream_unreachable', `the token endpoint: ${why}`, {
    say: "the target's token endpoint gave no token",
  })
