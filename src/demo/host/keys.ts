/** The host's two key pairs: its own, which the gateway pins, and the one that the gateway leases. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { newPair } from '../../protocol/ssh/hostkey.ts'

export interface HostKeys {
  readonly hostKeyFile: string
  readonly hostPrivate: string
  /** `type base64`, as `host_key:` in postern.yaml wants it. */
  readonly hostKey: string
  readonly leaseFile: string
  readonly leasePrivate: string
  readonly leasePublic: string
}

export async function makeHostKeys(folder: string): Promise<HostKeys> {
  const [host, lease] = [newPair(), newPair()]
  const hostKeyFile = join(folder, 'host_key')
  const leaseFile = join(folder, 'lease_key')
  await writeFile(hostKeyFile, host.private, { mode: 0o600 })
  await writeFile(leaseFile, lease.private, { mode: 0o600 })
  await writeFile(join(folder, 'authorized_keys'), `${lease.public}\n`, { mode: 0o600 })
  return {
    hostKeyFile,
    hostPrivate: host.private,
    hostKey: host.public,
    leaseFile,
    leasePrivate: lease.private,
    leasePublic: lease.public,
  }
}
