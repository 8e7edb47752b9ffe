/**
 * The gateway's API as the commands call it: POSTERN_URL, and POSTERN_TOKEN or POSTERN_TOKEN_FILE. The token is sent to
 * that URL and nowhere else: redirects are not followed, and plain http is for loopback alone.
 */
import { readFile } from 'node:fs/promises'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

const usual = 'http://127.0.0.1:8600'

export interface Client {
  readonly url: URL
  call<Answer>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<Answer>
}

/** For the help of every command that calls the gateway. */
export const VARIABLES = `
POSTERN_URL: where the gateway is (default: ${usual}). POSTERN_TOKEN, or POSTERN_TOKEN_FILE: the access token,
or a file that holds it.`

/** A refusal as the API tells it (RFC 9457). */
interface Problem {
  readonly code?: string
  readonly detail?: string
}

export async function createClient(env: NodeJS.ProcessEnv = process.env): Promise<Client> {
  const url = gatewayUrl(env.POSTERN_URL ?? usual)
  const token = await tokenOf(env)
  return {
    url,
    call: (method, path, body, signal) => call(new URL(path, url), method, token, body, signal),
  }
}

function gatewayUrl(text: string): URL {
  if (!URL.canParse(text)) throw new Stop(exit.usage, `POSTERN_URL is not a URL: ${text}`)
  const url = new URL(text)
  const loopback = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw new Stop(exit.usage, `POSTERN_URL must be https (plain http is for loopback alone): ${text}`)
  }
  return url
}

async function tokenOf(env: NodeJS.ProcessEnv): Promise<string> {
  if (env.POSTERN_TOKEN) return env.POSTERN_TOKEN.trim()
  if (env.POSTERN_TOKEN_FILE) {
    try {
      return (await readFile(env.POSTERN_TOKEN_FILE, 'utf8')).trim()
    } catch (error) {
      throw new Stop(exit.usage, `POSTERN_TOKEN_FILE cannot be read: ${(error as Error).message}`)
    }
  }
  throw new Stop(
    exit.usage,
    'no access token: set POSTERN_TOKEN, or POSTERN_TOKEN_FILE to a file that holds it',
  )
}

async function call<Answer>(
  url: URL,
  method: string,
  token: string,
  body?: object,
  signal?: AbortSignal,
): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const init: RequestInit = { method, headers, redirect: 'error', signal: signal ?? null }
  if (body !== undefined) init.body = JSON.stringify(body)
  const response = await fetch(url, init).catch(error => {
    signal?.throwIfAborted()
    throw new Stop(exit.unavailable, `no gateway at ${url.origin}: ${whyNot(error)}`)
  })
  const text = await response.text()
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as Answer
  throw new Stop(
    response.status >= 500 ? exit.unavailable : exit.no,
    problemText(response.status, text),
    problemOf(text),
  )
}

/** What OpenSSL says of a certificate whose CA is not known here: a gateway's own, as a rule. */
const untrusted = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]

function whyNot(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined
  const { code = '' } = (cause ?? {}) as NodeJS.ErrnoException
  if (untrusted.includes(code))
    return 'its certificate is from a CA that is not known here: export NODE_EXTRA_CA_CERTS=<ca.pem of the gateway>'
  return cause?.message ?? String(error)
}

function problemText(status: number, text: string): string {
  const problem = problemOf(text)
  if (problem.code === undefined) return `the gateway answered ${status}`
  return `${problem.code}: ${problem.detail ?? ''}`
}

function problemOf(text: string): Problem {
  try {
    return JSON.parse(text) as Problem
  } catch {
    return {}
  }
}
