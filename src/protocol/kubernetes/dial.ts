/**
 * Reaching a cluster's API server: the address is found and judged, the lease becomes a token or a client certificate.
 * Nothing is sent before the first request. The only file of this folder that sees a secret.
 */
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'
import type { Leased } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import {
  type Credential,
  certified,
  clientToken,
  fetchToken,
  type HttpUpstream,
  httpUrl,
  oauth,
  reach,
  type Token,
  verifying,
} from '../http/index.ts'
import type { Dialling } from '../protocol.ts'
import { eksLife, eksToken } from './eks.ts'
import { asGoogleAccount, type GoogleKey, readGoogleKey } from './gke.ts'
import type { KubernetesScope } from './scope.ts'

export const target = z.strictObject({
  url: httpUrl
    .refine(url => url.protocol === 'https:', 'a cluster is reached by https://')
    .meta({ description: "The API server's URL." }),
  ...verifying,
})

const word = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[\x21-\x7e]+$/, 'must be one word of ASCII')
/** The lease's own rights must include impersonating just these. */
const impersonate = z.strictObject({ user: word, groups: z.array(word).max(32).default([]) }).optional()

const eks = z
  .strictObject({
    cluster: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, "must be an EKS cluster's name")
      .meta({ description: "The cluster's name, which is signed into each token." }),
    region: z.string().regex(/^[a-z]{2,4}(-[a-z]+)+-[0-9]+$/, 'must be an AWS region, such as eu-west-1'),
    access_key_id: z.string().regex(/^[A-Za-z0-9]{8,128}$/, 'must be an access key id'),
    secret_access_key: secretRef,
    session_token: secretRef.optional(),
  })
  .meta({ description: 'Tokens as `aws eks get-token` makes them, made here with this key.' })
const gke = z
  .strictObject({ key: secretRef.meta({ description: "A service account's key file, as Google gives it." }) })
  .meta({ description: "Access tokens of a Google service account, from its key file's token endpoint." })

const standing = z.union([
  z.strictObject({ bearer: secretRef, impersonate }),
  z.strictObject({ client_certificate: filePath, client_key: secretRef, impersonate }),
  z.strictObject({ eks, impersonate }),
  z.strictObject({ gke, impersonate }),
  oauth.extend({ impersonate }),
])
const label = '[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?'
const minted = z.strictObject({
  minted: z.literal(true).meta({ description: 'A token is made for each session, and dies with it.' }),
  service_account: z
    .string()
    .max(317)
    .regex(new RegExp(`^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?/${label}$`), 'is written as namespace/name'),
  /** May ask for its tokens, and create, list and delete Secrets beside it. */
  admin: standing,
})

export const lease = z.union([standing, minted])

export type KubernetesTarget = z.output<typeof target>
export type KubernetesLease = z.output<typeof lease>
export type StandingLease = z.output<typeof standing>

type At = Dialling<KubernetesTarget, KubernetesLease, KubernetesScope>

export async function dial({ target, lease: taken, signal }: At): Promise<HttpUpstream | Refused> {
  // What makes leases opens no session.
  if ('minted' in taken) return refuse('internal_error', 'a lease that makes others came to be used itself')
  return openCluster({ target, lease: taken, signal })
}

/** The cluster with a standing lease. */
export function openCluster({
  target,
  lease: taken,
  signal,
}: {
  readonly target: KubernetesTarget
  readonly lease: Leased<StandingLease>
  readonly signal: AbortSignal
}): Promise<HttpUpstream | Refused> {
  return reach(target, signal, () => credentialOf(taken))
}

async function credentialOf(taken: Leased<StandingLease>): Promise<Credential | Refused> {
  const as = taken.impersonate
  const headers: (readonly [string, string])[] =
    as === undefined
      ? []
      : [['impersonate-user', as.user], ...as.groups.map(group => ['impersonate-group', group] as const)]
  if ('token_url' in taken) {
    const client = clientToken(taken, undefined)
    return { ...client, headers }
  }
  if ('eks' in taken) {
    const { cluster, region, access_key_id: keyId, secret_access_key, session_token } = taken.eks
    const secret = secret_access_key.revealLine()
    const sessionToken = session_token?.revealLine()
    const key = { cluster, region, keyId, secret, sessionToken }
    const token = async () => ({ token: eksToken(key, Date.now()), life: eksLife })
    return { headers, secrets: [secret, ...(sessionToken === undefined ? [] : [sessionToken])], token }
  }
  if ('gke' in taken) {
    const key = readGoogleKey(taken.gke.key.reveal())
    if (key instanceof Refused) return key
    return { headers, secrets: [key.private_key], token: () => googleToken(key) }
  }
  if ('bearer' in taken) {
    const value = taken.bearer.revealLine()
    // A newline in a secret file would end the header and begin another.
    if (!/^[\x21-\x7e]+$/.test(value)) return refuse('upstream_unreachable', 'the lease is no bearer token')
    return { headers: [['authorization', `Bearer ${value}`], ...headers], secrets: [value] }
  }
  const key = taken.client_key.revealLine()
  const shown = await certified(taken.client_certificate, key)
  return shown instanceof Refused ? shown : { headers, secrets: [key], ...shown }
}

/** From Google's own endpoint: the cluster's CA has no say there. */
async function googleToken(key: GoogleKey): Promise<Token | Refused> {
  const question = await asGoogleAccount(key, Date.now())
  return question instanceof Refused ? question : fetchToken({ url: key.token_uri }, question)
}
