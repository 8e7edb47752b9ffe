/**
 * The conditions of a rule: through which clients, from which addresses, at which hours. All that are named must hold.
 * Pure: `now` and the socket's address are handed in, and no header can stand for either (attack 25).
 */
import { BlockList, isIPv6, SocketAddress } from 'node:net'
import type { When } from '../config/config.ts'
import { type Refused, refuse } from '../denial.ts'
import type { Millis, Source } from '../words.ts'

/** `source` is undefined where a grant is judged that nobody is using: then where from is asked at its next use. */
export interface Circumstances {
  readonly client: string
  readonly source: Source | undefined
  readonly now: Millis
}

export function checkWhen(when: When | undefined, at: Circumstances): Refused | undefined {
  if (when?.clients !== undefined && !when.clients.includes(at.client)) {
    return refuse('condition_unmet', `client ${JSON.stringify(at.client)} is not among when.clients`, {
      say: 'a condition of the rule is not met: it does not hold for this client',
    })
  }
  if (when?.source !== undefined && at.source !== undefined && !isWithin(at.source, when.source)) {
    return refuse(
      'condition_unmet',
      `source ${JSON.stringify(at.source)} is in none of ${when.source.join(', ')}`,
      {
        say: 'a condition of the rule is not met: it does not hold for the address this call comes from',
      },
    )
  }
  if (when?.hours !== undefined && !isWithinHours(at.now, when.hours)) {
    const hours = hoursInWords(when.hours)
    return refuse('condition_unmet', `${new Date(at.now).toISOString()} is not within ${hours}`, {
      say: `a condition of the rule is not met: it holds ${hours}`,
    })
  }
  return undefined
}

const lists = new WeakMap<readonly string[], BlockList>()

/** An address nobody can read is within nothing. */
function isWithin(source: Source, blocks: readonly string[]): boolean {
  let list = lists.get(blocks)
  if (list === undefined) {
    list = new BlockList()
    for (const block of blocks) {
      const [address = '', bits = isIPv6(address) ? '128' : '32'] = block.split('/')
      list.addSubnet(address, Number(bits), isIPv6(address) ? 'ipv6' : 'ipv4')
    }
    lists.set(blocks, list)
  }
  const address = plainAddress(source)
  return address !== undefined && list.check(address)
}

/** One spelling an address: no zone, and IPv4 as IPv4 also where a dual-stack socket wrote `::ffff:10.0.0.1`. */
function plainAddress(source: Source): SocketAddress | undefined {
  const [address = ''] = source.split('%')
  try {
    const read = new SocketAddress({ address, family: isIPv6(address) ? 'ipv6' : 'ipv4' })
    const mapped = /^::ffff:([0-9.]+)$/i.exec(read.address)?.[1]
    return mapped === undefined ? read : new SocketAddress({ address: mapped, family: 'ipv4' })
  } catch {
    return undefined
  }
}

type Hours = NonNullable<When['hours']>

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

function isWithinHours(now: Millis, { days: on, from, to, zone }: Hours): boolean {
  const parts = calendar(zone).formatToParts(now)
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find(one => one.type === type)?.value ?? ''
  const minute = Number(part('hour')) * 60 + Number(part('minute'))
  return on.includes(days.indexOf(part('weekday'))) && minute >= from && minute < to
}

const calendars = new Map<string, Intl.DateTimeFormat>()

/** Making one costs more than a decision; zones come from the configuration, so there are few. */
function calendar(zone: string): Intl.DateTimeFormat {
  let made = calendars.get(zone)
  if (made === undefined) {
    made = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    calendars.set(zone, made)
  }
  return made
}

export function hoursInWords({ days: on, from, to, zone }: Hours): string {
  const clock = (minute: number) =>
    `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
  return `${on.map(day => days[day]).join(', ')} ${clock(from)}-${clock(to)} ${zone}`
}
