/**
 * One document from an issuer, as JSON. No redirect is followed (attack 28: 169.254.169.254), five seconds at most from
 * first byte to last, a mebibyte at most, counted as it arrives and before anything is parsed.
 */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

const timeout = 5_000
const mostBytes = 1024 * 1024

export async function fetchJson(fetch: Fetch, url: string): Promise<unknown> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(timeout),
    headers: { accept: 'application/json, application/jwk-set+json' },
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`${url} answered ${response.status}`)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the body: what is still on its way is never read.
    if (bytes > mostBytes) throw new Error(`${url} answered more than ${mostBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (cause) {
    throw new Error(`${url} did not answer JSON`, { cause })
  }
}

/** What went wrong, for a log line: undici hides the reason in `cause`. */
export function whatFailed(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
