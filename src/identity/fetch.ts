/**
 * One document from an issuer, as JSON. No redirect is followed (attack 28: 169.254.169.254), five seconds at most from
 * first byte to last, a mebibyte at most, counted as it arrives and before anything is parsed.
 */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const timeout = 5_000
const mostBytes = 1024 * 1024

export async function fetchJson(fetch: Fetch, url: string): Promise<unknown> {
  const text = await textOf(fetch, url).catch(cause => {
    throw new Error(`${url}: ${whatFailed(cause)}`, { cause })
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`${url}: the answer is not JSON`, { cause })
  }
}

async function textOf(fetch: Fetch, url: string): Promise<string> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(timeout),
    headers: { accept: 'application/json, application/jwk-set+json' },
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`the answer is ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body: what is still on its way is never read.
    if (bytes > mostBytes) throw new Error(`the answer has more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** In one sentence, for log and audit. What was thrown here is whole; undici's own "fetch failed" hides its reason in `cause`. */
export function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, cause } = error
  if (!(cause instanceof Error) || !(error instanceof TypeError)) return message
  // Where several addresses were tried there is a code and no message.
  return `${message}: ${cause.message || String(Reflect.get(cause, 'code'))}`
}
