/**
 * The nouns of the house as types (DESIGN.md section 1). Plain data, no behaviour; every layer may import them.
 *
 * Times are {@link Millis} since the epoch and durations milliseconds; the API alone speaks ISO 8601 and "10m".
 */

/** Milliseconds since the Unix epoch. */
export type Millis = number

/** The two clocks, handed in from the composition root so that tests are deterministic. */
export interface Clock {
  /** Wall clock. May step, in either direction. */
  now(): Millis
  /** Monotonic milliseconds from an arbitrary start. Never steps; a deadline holds on both clocks. */
  mono(): number
}

/** Who a verified token says is calling. A fact, never a permission. */
export interface Identity {
  /** The issuer's name in postern.yaml. */
  readonly issuer: string
  readonly subject: string
  /** Okta's immutable user id (`uid`); absent for service apps. */
  readonly uid?: string
  /** The OAuth client: `cid`, `client_id` or `azp`. */
  readonly client: string
  readonly kind: 'person' | 'agent'
  readonly groups: readonly string[]
  /** The current actor: the outermost `act.sub` (RFC 8693 section 4.1). */
  readonly actor?: string
  /** The whole actor chain, outermost first; for audit only. */
  readonly actors: readonly string[]
  /** The key the token is bound to (`cnf.jkt`, RFC 9449 section 6). */
  readonly binding?: { readonly jkt: string }
  readonly tokenId?: string
  /** SHA-256 of the token's text, hex. Names a token in caches and audit without holding it. */
  readonly tokenDigest: string
  readonly expiresAt: Millis
}

/** Whose a grant is. Two identities with equal owners are the same party. */
export interface Owner {
  readonly issuer: string
  /** `uid`, or else `subject`. */
  readonly id: string
  readonly client: string
  readonly actor?: string
}

/** A scope that has passed {@link file://./policy/narrow.ts}: nothing may widen it any more. */
export type Narrowed<Scope> = Scope & { readonly [narrowed]: true }
declare const narrowed: unique symbol

/** What an agent asks for. `scope` is a limit in the connection's protocol's own words, already validated. */
export interface GrantRequest {
  readonly connection: string
  /** Milliseconds. */
  readonly ttl?: number
  readonly reason?: string
  readonly task?: string
  readonly scope?: unknown
  readonly rule?: string
  /** One OpenSSH public key, `type base64`; the grant then opens for that key alone. */
  readonly publicKey?: string
}

export type GrantState = 'pending' | 'active' | 'denied' | 'expired' | 'revoked' | 'ended'

/** Which of three clocks ends a grant: shown to the agent as `ends_by`. */
export type EndsBy = 'token' | 'rule' | 'request'

/** One decision that said yes: one owner, one connection, one effective scope, one expiry. */
export interface Grant {
  readonly id: string
  readonly owner: Owner
  /** As verified when the grant was asked for; judged again whenever the rules are. */
  readonly identity: Identity
  readonly request: GrantRequest
  readonly connection: string
  readonly protocol: string
  readonly rule: string
  readonly scope: Narrowed<unknown>
  readonly narrowed: readonly string[]
  readonly state: GrantState
  readonly issuedAt: Millis
  /** When it was approved, where approval was needed: its time runs from here. */
  readonly activatedAt?: Millis
  readonly expiresAt: Millis
  readonly endsBy: EndsBy
  /** Sessions open at once, and in all (`total: 1` is a grant for one use). */
  readonly sessions: { readonly atOnce: number; readonly total?: number }
  /** Sessions opened so far. */
  readonly used: number
  /** Unused at this time, the grant ends. */
  readonly useBy?: Millis
  /** Pending until this time, it expires: of its own time nothing has begun by then. */
  readonly decideBy?: Millis
  /** Why it stopped being usable, once it has. */
  readonly ending?: string
}

/** A SCRAM-SHA-256 verifier (RFC 5803): enough to check a proof, useless to make one. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

/** Why a session is over. A `cut` is ours and is told to the client; a `close` is one side's own goodbye. */
export interface Ending {
  readonly how: 'close' | 'cut'
  readonly why:
    | 'client_closed'
    | 'idle'
    | 'upstream_closed'
    | 'grant_expired'
    | 'grant_revoked'
    | 'grant_ended'
    | 'locked'
    | 'operator'
    | 'policy_changed'
    | 'recording_unavailable'
    | 'shutting_down'
    | 'protocol_violation'
    | 'limit_exceeded'
    | 'upstream_unreachable'
    | 'internal_error'
  /** One plain sentence for the client, safe to show: "grant g_7Kq2 expired; session ended: it expired at ... (the rule's 10m)". */
  readonly text: string
}

/** Where a caller comes from: the address of the socket, never a header's claim. */
export type Source = string
