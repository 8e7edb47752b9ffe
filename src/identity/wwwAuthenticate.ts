/**
 * A refusal -> its WWW-Authenticate header (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1), or nothing
 * where the token was good. Pure. Says what {@link sayOf} says and no more.
 */
import { type Denial, denials, sayOf } from '../denial.ts'

/** `metadata` is the absolute URL of the protected resource's metadata, made from `public_url` and never from Host. */
export function wwwAuthenticate(denial: Denial, metadata: string): string | undefined {
  if (denials[denial.code].http !== 401) return undefined
  const scheme = denial.code.startsWith('dpop_') ? 'DPoP' : 'Bearer'
  const parameters = [`realm="postern"`]
  // RFC 6750 section 3.1: a request that showed nothing is told how to authenticate, not that it erred.
  if (denial.code !== 'token_missing') {
    const error =
      denial.code === 'dpop_invalid' || denial.code === 'dpop_replayed'
        ? 'invalid_dpop_proof'
        : 'invalid_token'
    parameters.push(`error="${error}"`, `error_description=${quoted(sayOf(denial))}`)
  }
  parameters.push(`resource_metadata=${quoted(metadata)}`)
  return `${scheme} ${parameters.join(', ')}`
}

/** A quoted-string of the characters RFC 6750 allows in a description; the rest become '?': no header injection. */
function quoted(text: string): string {
  return `"${text
    .replace(/"/g, "'")
    .replace(/\\/g, '/')
    .replace(/[^\x20-\x7e]/g, '?')}"`
}
