/**
 * Reaching a cluster's API server: the address is found and judged, the lease becomes a token or a client certificate.
 * Nothing is sent before the first request. The only file of this folder that sees a secret.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { hostOf } from '../../config/address.ts'
import { filePath, secretRef } from '../../config/reference.ts'
import type { Leased } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import { type Credential, HttpUpstream, httpUrl, pinAddress } from '../http/index.ts'
import type { Dialling } from '../protocol.ts'
import type { KubernetesScope } from './scope.ts'

export const target = z.strictObject({
  url: httpUrl
    .refine(url => url.protocol === 'https:', 'a cluster is reached by https://')
    .meta({ description: "The API server's URL." }),
  ca: filePath.optional(),
  /** The name in the certificate, where it is not the url's. */
  server_name: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9.-]+$/, 'must be a host name')
    .optional(),
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
  return reach({ target, lease: taken, signal })
}

/** The cluster with a standing lease. */
export async function reach({
  target: { url, ca, server_name },
  lease: taken,
  signal,
}: {
  readonly target: KubernetesTarget
  readonly lease: Leased<StandingLease>
  readonly signal: AbortSignal
}): Promise<HttpUpstream | Refused> {
  const address = await pinAddress(hostOf(url))
  if (address instanceof Refused) return address
  const authority = ca === undefined ? undefined : await readFile(ca, 'utf8').catch(() => null)
  if (authority === null) return refuse('upstream_unreachable', `the CA file ${ca} cannot be read`)
  const credential = await credentialOf(taken)
  if (credential instanceof Refused) return credential
  if (signal.aborted) return refuse('upstream_unreachable', 'no time left to reach it')
  return new HttpUpstream({
    url,
    address,
    credential,
    ...(authority === undefined ? {} : { ca: authority }),
    ...(server_name === undefined ? {} : { serverName: server_name }),
  })
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
  const cert = await readFile(taken.client_certificate, 'utf8').catch(() => undefined)
  if (cert === undefined) return refuse('upstream_unreachable', 'the client certificate cannot be read')
  return { headers, secrets: [key], certificate: { cert, key } }
}
