/** Where a client comes from: the socket's own address, IPv4 inside IPv6 taken out of it. Never a header or a PROXY line (attack 217). */
import { isIP } from 'node:net'
import { isLoopback } from '../config/address.ts'
import type { Source } from '../words.ts'

export interface Origin {
  readonly source: Source
  readonly loopback: boolean
}

/** Undefined where the socket is gone already. */
export function originOf(remoteAddress: string | undefined): Origin | undefined {
  if (remoteAddress === undefined) return undefined
  // A zone (fe80::1%eth0) names our interface, not the peer.
  const [address = ''] = remoteAddress.split('%')
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1]
  const source = mapped !== undefined && isIP(mapped) === 4 ? mapped : address
  return { source, loopback: isLoopback(source) }
}

/** What connections are counted by: an IPv6 client owns a whole /64, and must not be 2^64 clients. */
export function countedAs(source: Source): string {
  if (isIP(source) !== 6) return source
  const [head = '', tail] = source.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0')
  return `${[...front, ...zeros, ...back]
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
