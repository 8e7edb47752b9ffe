/** `rules`: members of ONE group may have ONE connection, within this scope, for at most this long. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { duration } from './duration.ts'
import { hours } from './hours.ts'
import { client, group, listOf, name, oneConnection, ruleId } from './names.ts'

const cidrForm = 'must be an address or a block such as 10.0.0.0/8 or 2001:db8::/32'

/** A block with its prefix always written. IPv4 inside IPv6 would never match: sources are normalised to IPv4. */
const cidr = z.string({ error: cidrForm }).transform((text, at): string => {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const fits = bits === undefined || (/^(0|[1-9][0-9]{0,2})$/.test(bits) && Number(bits) <= most)
  if (family !== 0 && fits && rest.length === 0 && !/[%.].*:|:.*[%.]/.test(address))
    return `${address}/${bits ?? most}`
  at.addIssue({ code: 'custom', message: cidrForm, input: undefined })
  return z.NEVER
})

const when = z
  .strictObject({
    clients: listOf(client, 1).optional(),
    source: listOf(cidr, 1).optional(),
    hours: hours.optional(),
  })
  .refine(conditions => Object.keys(conditions).length > 0, {
    error: 'must name a condition: clients, source or hours',
  })

const count = (least: number) => z.int().min(least).max(1_000_000)

export const rule = z.strictObject({
  id: ruleId.optional().meta({ description: 'Default: group:connection.' }),
  issuer: name.optional().meta({ description: 'Needed as soon as there are two issuers.' }),
  group,
  connection: oneConnection,
  ttl: duration('1s', '8h'),
  scope: z.unknown().refine(scope => scope !== undefined, { error: 'say what may be done' }),
  require: listOf(z.enum(['reason', 'task']), 1).default([]),
  sessions: z.strictObject({ at_once: count(1).default(10), total: count(1).optional() }).prefault({}),
  use_within: duration('1s', '8h').optional(),
  approval: z
    .strictObject({
      group,
      count: z.int().min(1).max(10).default(1),
      within: duration('10s', '1d').default(600_000),
    })
    .optional(),
  when: when.optional(),
  outlive_token: z.boolean().default(false),
  record: z.enum(['shape', 'values']).default('shape'),
})

export type ParsedRule = z.output<typeof rule>
