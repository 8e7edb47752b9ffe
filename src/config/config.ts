/**
 * What `postern.yaml` says, parsed once to frozen plain data (DESIGN.md section 5). `schema.ts` makes it, nobody changes it.
 *
 * Scopes, targets and leases are the protocol's own shapes, validated by its schemas at load; here they are opaque.
 */
import type { Millis } from '../words.ts'
import type { SecretRef } from './secret.ts'

export interface Config {
  /** Absolute path of the file. */
  readonly file: string
  /** SHA-256 of the file's bytes, hex: audit's `policy`. */
  readonly digest: string
  /** Absolute path of the data folder. */
  readonly data: string
  readonly publicUrl: URL
  /** What agents are told to connect to, by protocol name. Defaults to the listeners. */
  readonly advertise: ReadonlyMap<string, HostPort>
  readonly listen: Listen
  readonly issuers: ReadonlyMap<string, IssuerConfig>
  readonly connections: ReadonlyMap<string, Connection>
  /** In file order, which decides between several rules for one connection. */
  readonly rules: readonly Rule[]
  readonly limits: { readonly grants: number; readonly requestsPerSecond: number }
  readonly people?: PeopleConfig
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface Listen {
  readonly http?: HostPort
  readonly people?: HostPort
  /** Stream protocols by name: `postgres`, `ssh`. */
  readonly streams: ReadonlyMap<string, HostPort>
  readonly tls: 'auto' | { readonly cert: string; readonly key: SecretRef }
  /** TLS ends in front of us: plaintext is taken off loopback too. */
  readonly insecure: boolean
}

export interface IssuerConfig {
  readonly name: string
  /** Compared with `iss` byte for byte. */
  readonly issuer: string
  readonly audience: readonly string[]
  readonly groupsClaim: string
  readonly clientGroups: ReadonlyMap<string, readonly string[]>
  readonly algorithms: readonly Algorithm[]
  readonly clients?: readonly string[]
  readonly dpop: 'never' | 'optional' | 'required'
  readonly clockTolerance: Millis
}

/** Asymmetric only: `none` and `HS*` are not in the type, so no configuration can pin them. */
export type Algorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'

export interface Connection {
  readonly name: string
  readonly protocol: string
  readonly target: unknown
  readonly lease: unknown
  /** A limit, in the protocol's words, that holds for every rule on this connection. */
  readonly ceiling?: unknown
  readonly tokenLogin: boolean
}

export interface Rule {
  readonly id: string
  readonly issuer: string
  readonly group: string
  readonly connection: string
  readonly ttl: Millis
  /** The protocol's scope, complete: every key is there. */
  readonly scope: unknown
  readonly require: readonly ('reason' | 'task')[]
  readonly sessions: { readonly atOnce: number; readonly total?: number }
  readonly useWithin?: Millis
  readonly approval?: { readonly group: string; readonly count: number; readonly within: Millis }
  readonly when?: When
  readonly outliveToken: boolean
  /** Also record result values, not only their shape. */
  readonly recordValues: boolean
}

export interface When {
  readonly clients?: readonly string[]
  /** CIDR blocks the caller's socket address must be in. */
  readonly source?: readonly string[]
  /** "Mon-Fri 08:00-18:00 Europe/Berlin", parsed. Days 0 = Sunday; minutes of the day. */
  readonly hours?: {
    readonly days: readonly number[]
    readonly from: number
    readonly to: number
    readonly zone: string
  }
}

export interface PeopleConfig {
  /** At these issuers; a client of the same name at another one is an agent. */
  readonly issuers: readonly string[]
  readonly clients: readonly string[]
  readonly operators: readonly string[]
  readonly auditors: readonly string[]
}
