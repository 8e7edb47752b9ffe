/**
 * A refusal -> its WWW-Authenticate header (RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1). Pure. Says
 * what {@link sayOf} says and no more. Meant for 401 and 403.
 */
import { type Denial, denials, sayOf } from '../denial.ts'

/** `metadata` is the protected resource's metadata document, made from `public_url` and never from Host. */
export function wwwAuthenticate(denial: Denial, metadata: URL): string {
  const scheme = denial.code.startsWith('dpop_') ? 'DPoP' : 'Bearer'
  const parameters = ['realm="postern"']
  const error = errorOf(denial)
  if (error !== undefined) parameters.push(`error="${error}"`, `error_description=${quoted(sayOf(denial))}`)
  parameters.push(`resource_metadata=${quoted(metadata.href)}`)
  return `${scheme} ${parameters.join(', ')}`
}

function errorOf({ code }: Denial): string | undefined {
  // RFC 6750 section 3.1: a request that showed nothing is told how to authenticate, not that it erred.
  if (code === 'token_missing') return undefined
  if (code === 'dpop_invalid' || code === 'dpop_replayed') return 'invalid_dpop_proof'
  if (denials[code].http === 401) return 'invalid_token'
  return denials[code].http === 403 ? 'insufficient_scope' : 'invalid_request'
}

/** A quoted-string of the characters RFC 6750 allows in a description; the rest become '?': no header injection. */
function quoted(text: string): string {
  return `"${text
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .replace(/[^\x20-\x7e]/g, '?')}"`
}
