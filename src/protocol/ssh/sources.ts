/** Whether an address lies in one of several blocks: a certificate's `source-address`. What cannot be read matches nothing. Pure. */
import { BlockList, isIP } from 'node:net'

export function isWithin(address: string, blocks: readonly string[]): boolean {
  const family = familyOf(address)
  if (family === undefined) return false
  return blocks.some(block => {
    const [base = '', size, ...more] = block.split('/')
    const bits = size ?? (family === 'ipv4' ? '32' : '128')
    if (familyOf(base) !== family || more.length > 0 || !/^\d{1,3}$/.test(bits)) return false
    const list = new BlockList()
    try {
      list.addSubnet(base, Number(bits), family)
    } catch {
      // More bits than an address has.
      return false
    }
    return list.check(address, family)
  })
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  const family = isIP(address)
  return family === 0 ? undefined : family === 4 ? 'ipv4' : 'ipv6'
}
