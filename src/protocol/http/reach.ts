/**
 * The way to a target that speaks HTTP, for the `dial.ts` of any such protocol: its address found and judged, its CA read.
 * What of the lease becomes headers or a client certificate is the protocol's own.
 */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { hostOf } from '../../config/address.ts'
import { filePath } from '../../config/reference.ts'
import { Refused, refuse } from '../../denial.ts'
import { pinAddress } from './address.ts'
import { type Credential, HttpUpstream } from './upstream.ts'

/** Of a target, beside its url. */
export const verifying = {
  ca: filePath.optional(),
  /** The name in the certificate, where it is not the url's. */
  server_name: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9.-]+$/, 'must be a host name')
    .optional(),
}

export interface Reachable {
  readonly url: URL
  readonly ca?: string | undefined
  readonly server_name?: string | undefined
  readonly http2?: boolean | undefined
}

/** Ready for its first request. `credentialOf` is given the CA, for whatever else must be asked there. */
export async function reach(
  { url, ca, server_name, http2 }: Reachable,
  signal: AbortSignal,
  credentialOf: (ca: string | undefined) => Promise<Credential | Refused>,
): Promise<HttpUpstream | Refused> {
  const address = await pinAddress(hostOf(url))
  if (address instanceof Refused) return address
  const authority = ca === undefined ? undefined : await readFile(ca, 'utf8').catch(() => null)
  if (authority === null) return refuse('upstream_unreachable', `the CA file ${ca} cannot be read`)
  const credential = await credentialOf(authority)
  if (credential instanceof Refused) return credential
  const upstream = new HttpUpstream({
    url,
    address,
    credential,
    http2: http2 === true,
    ...(authority === undefined ? {} : { ca: authority }),
    ...(server_name === undefined ? {} : { serverName: server_name }),
  })
  const refused = await upstream.ready()
  if (refused === undefined && !signal.aborted) return upstream
  upstream.destroy()
  return refused ?? refuse('upstream_unreachable', 'no time left to reach it')
}

/** A client certificate whose file is there. `key` has been revealed. */
export async function certified(
  file: string,
  key: string,
): Promise<Required<Pick<Credential, 'certificate'>> | Refused> {
  const cert = await readFile(file, 'utf8').catch(() => undefined)
  if (cert === undefined) return refuse('upstream_unreachable', 'the client certificate cannot be read')
  return { certificate: { cert, key } }
}
