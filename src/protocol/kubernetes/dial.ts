/**
 * Reaching a cluster's API server: the address is found and judged, the lease becomes a token or a client certificate.
 * Nothing is sent before the first request. The only file of this folder that sees a secret.
 */
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'
import type { Leased } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import { type Credential, certified, type HttpUpstream, httpUrl, reach, verifying } from '../http/index.ts'
import type { Dialling } from '../protocol.ts'
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

const standing = z.union([
  z.strictObject({ bearer: secretRef, impersonate }),
  z.strictObject({ client_certificate: filePath, client_key: secretRef, impersonate }),
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
