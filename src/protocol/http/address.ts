/**
 * Where a target's name leads, found once for a session and checked before it is dialled (attack 147): what is connected
 * to is the address that was judged, whatever the name says a moment later.
 *
 * Link-local addresses and the clouds' metadata services are refused unless the configuration spells the address; so is
 * loopback behind a name other than localhost, for then the name's owner would choose among this machine's own ports.
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { type Refused, refuse } from '../../denial.ts'

export interface Address {
  readonly address: string
  readonly family: 4 | 6
}

const never = new BlockList()
never.addSubnet('169.254.0.0', 16)
never.addSubnet('0.0.0.0', 8)
never.addSubnet('224.0.0.0', 4)
never.addSubnet('240.0.0.0', 4)
// Alibaba's metadata service stands among carrier addresses, Amazon's IPv6 one among private ones.
never.addAddress('100.100.100.200')
never.addAddress('fd00:ec2::254', 'ipv6')
never.addSubnet('fe80::', 10, 'ipv6')
never.addSubnet('ff00::', 8, 'ipv6')
never.addAddress('::', 'ipv6')

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Looks the name up. A test hands in its own `resolve`. */
export async function pinAddress(
  host: string,
  resolve: (host: string) => Promise<readonly { address: string; family: number }[]> = everywhere,
): Promise<Address | Refused> {
  const literal = isIP(host)
  if (literal !== 0) return { address: host, family: literal === 4 ? 4 : 6 }
  let found: readonly { address: string; family: number }[]
  try {
    found = await resolve(host)
  } catch (error) {
    return refuse(
      'upstream_unreachable',
      `${host}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    )
  }
  const local = host === 'localhost' || host.endsWith('.localhost')
  const may = found.find(({ address }) => mayDial(address, local))
  if (may !== undefined) return { address: may.address, family: may.family === 6 ? 6 : 4 }
  const all = found.map(({ address }) => address).join(', ')
  return refuse(
    'upstream_unreachable',
    `${host} leads to ${all || 'nowhere'}, which only a target that spells it may be`,
  )
}

/** Whether a name may lead there. */
export function mayDial(address: string, local: boolean): boolean {
  const plain = unmapped(address)
  if (isIP(plain) === 0) return false
  const family = isIP(plain) === 4 ? 'ipv4' : 'ipv6'
  return !never.check(plain, family) && (local || !loopback.check(plain, family))
}

/** `::ffff:169.254.169.254`, its hexadecimal spelling, and NAT64's `64:ff9b::` mean the IPv4 address inside. */
function unmapped(address: string): string {
  if (isIP(address) !== 6) return address
  const { hostname } = new URL(`http://[${address.split('%')[0]}]/`)
  const inside = /^\[(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname)
  if (inside === null) return address
  const [high, low] = [Number.parseInt(inside[1] ?? '', 16), Number.parseInt(inside[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

async function everywhere(host: string) {
  return lookup(host, { all: true, verbatim: true })
}
