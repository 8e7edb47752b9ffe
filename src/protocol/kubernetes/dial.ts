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

export const lease = z.union([
  z.strictObject({ bearer: secretRef, impersonate }),
  z.strictObject({ client_certificate: filePath, client_key: secretRef, impersonate }),
])

export type KubernetesTarget = z.output<typeof target>
export type KubernetesLease = z.output<typeof lease>

export async function dial({
  target: { url, ca, server_name },
  lease: taken,
  signal,
}: Dialling<KubernetesTarget, KubernetesLease, KubernetesScope>): Promise<HttpUpstream | Refused> {
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

async function credentialOf(taken: Leased<KubernetesLease>): Promise<Credential | Refused> {
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
