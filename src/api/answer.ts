/** A grant as its owner sees it. What the protocol says of itself (endpoint, env, connect) comes from the protocol. */
import { hostOf } from '../config/address.ts'
import type { HostPort } from '../config/config.ts'
import type { House } from '../house.ts'
import type { Presented } from '../protocol/protocol.ts'
import type { Grant } from '../words.ts'

export interface GrantJson {
  id: string
  connection: string
  protocol: string
  rule: string
  state: Grant['state']
  scope: Record<string, unknown>
  narrowed: string[]
  issued_at: string
  expires_at: string
  decide_by?: string
  ends_by: Grant['endsBy']
  ending?: string
  endpoint?: Presented['endpoint']
  credential?: { username: string; password?: string; certificate?: string }
  env?: Record<string, string>
  connect?: string
}

export function answerGrant(grant: Grant, house: House, password?: string): GrantJson {
  const facts: GrantJson = {
    id: grant.id,
    connection: grant.connection,
    protocol: grant.protocol,
    rule: grant.rule,
    state: grant.state,
    scope: grant.scope as unknown as Record<string, unknown>,
    narrowed: [...grant.narrowed],
    issued_at: new Date(grant.issuedAt).toISOString(),
    expires_at: new Date(grant.expiresAt).toISOString(),
    ...(grant.state === 'pending' && grant.decideBy !== undefined
      ? { decide_by: new Date(grant.decideBy).toISOString() }
      : {}),
    ends_by: grant.endsBy,
    ...(grant.ending === undefined ? {} : { ending: grant.ending }),
  }
  if (grant.state !== 'active') return facts
  const { endpoint, env, connect, certificate } = presentGrant(grant, house, password)
  const credential = {
    username: grant.id,
    ...(password === undefined ? {} : { password }),
    ...(certificate === undefined ? {} : { certificate }),
  }
  return { ...facts, endpoint, credential, env: { ...env }, connect }
}

/** A grant whose connection has gone from the configuration cannot be presented; a reload has revoked it already. */
export function presentGrant(grant: Grant, house: House, password?: string): Presented {
  const config = house.config()
  const connection = config.connections.get(grant.connection)
  const protocol = house.protocols.get(grant.protocol)
  const { publicUrl } = config
  const door = protocol?.requests === true ? new URL(`/c/${grant.connection}`, publicUrl) : undefined
  const advertised = door === undefined ? config.advertise.get(grant.protocol) : hostPortOf(door)
  if (connection === undefined || protocol === undefined || advertised === undefined) {
    throw new TypeError(`an active grant for ${grant.connection}, which is not configured`)
  }
  const { target } = connection
  const sources = config.rules.find(({ id }) => id === grant.rule)?.when?.source
  const shows = {
    ...house.shows(),
    ...(password === undefined ? {} : { password }),
    ...(sources === undefined ? {} : { sources }),
  }
  const url = door === undefined ? {} : { url: door.href }
  return protocol.present({ grant, connection: connection.name, target, advertised, ...url, ...shows })
}

function hostPortOf(url: URL): HostPort {
  return { host: hostOf(url), port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) }
}
