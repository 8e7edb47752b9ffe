/**
 * What is asked of Google's token endpoint for a service account's access token, which GKE takes: an assertion that the
 * account's own key signs (RFC 7523; "Using OAuth 2.0 for Server to Server Applications"). Pure but for the signing.
 */
import { importPKCS8, SignJWT } from 'jose'
import { z } from 'zod'
import { type Refused, refuse } from '../../denial.ts'
import { httpUrl, readJson, type TokenQuestion } from '../http/index.ts'

/** A service account's key file, as Google gives it. */
const keyFile = z.object({
  type: z.literal('service_account'),
  client_email: z.string().regex(/^[\x21-\x7e]{3,320}$/),
  private_key_id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
  private_key: z.string().max(16_384),
  token_uri: httpUrl,
})

export type GoogleKey = z.output<typeof keyFile>

/** The second lets RBAC name the account by its address, as gke-gcloud-auth-plugin does. */
const scope = 'https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email'
/** The assertion's, in seconds; Google allows an hour. */
const life = 300

/** Nothing of what is in the file is in the refusal. */
export function readGoogleKey(text: string): GoogleKey | Refused {
  const read = keyFile.safeParse(readJson(text))
  if (read.success) return read.data
  return refuse('upstream_unreachable', "the lease is no service account's key file of Google's")
}

/** `now` in milliseconds. */
export async function asGoogleAccount(key: GoogleKey, now: number): Promise<TokenQuestion | Refused> {
  const issued = Math.floor(now / 1000)
  const signed = await importPKCS8(key.private_key, 'RS256')
    .then(one =>
      new SignJWT({ scope })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.private_key_id })
        .setIssuer(key.client_email)
        .setAudience(key.token_uri.href)
        .setIssuedAt(issued)
        .setExpirationTime(issued + life)
        .sign(one),
    )
    .catch(() => undefined)
  if (signed === undefined)
    return refuse('upstream_unreachable', "the private key in Google's key file cannot be used")
  return { form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: signed } }
}
