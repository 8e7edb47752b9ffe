/** What policy takes and gives: plain data, so that every decision can be repeated from what was written down. */
import type { Config, Connection, Rule } from '../config/config.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import type { EndsBy, GrantRequest, Identity, Millis, Narrowed, Source } from '../words.ts'

/** The rules in force. A {@link Config} beside the registry of protocols is one. */
export interface Policy extends Pick<Config, 'rules' | 'connections' | 'people' | 'issuers'> {
  readonly protocols: ReadonlyMap<string, AnyProtocol>
}

/** One question: who, what, from where, when. */
export interface Asking {
  readonly identity: Identity
  readonly request: GrantRequest
  readonly source: Source
  readonly now: Millis
}

/** One rule that said yes, and how far. */
export interface Permit {
  readonly rule: Rule
  readonly connection: Connection
  readonly protocol: AnyProtocol
  readonly scope: Narrowed<unknown>
  /** Which of the asked keys were cut: `ttl`, `tables`. */
  readonly narrowed: readonly string[]
  readonly ttl: Millis
  readonly expiresAt: Millis
  readonly endsBy: EndsBy
  readonly approval?: NonNullable<Rule['approval']>
}
