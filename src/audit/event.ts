/**
 * Every kind of line the audit can hold, in one place: print this page to know what the gateway says of you.
 *
 * A line adds `{ seq, time, prev }` (ledger) and `policy` (SHA-256 of the rules in force). No field ever holds a token,
 * a password or a lease: identities are facts, tokens are named by id and digest.
 */
import type { Code } from '../denial.ts'
import type { Identity } from '../words.ts'

/** The identity as audit shows it. */
export type AuditedIdentity = Omit<Identity, 'actors'> & { readonly actors?: readonly string[] }

export interface AuditEvent {
  readonly type: EventType
  /** A denial's code, where something was refused. */
  readonly reason?: Code
  /** The whole reason, for operators. */
  readonly detail?: string
  readonly identity?: AuditedIdentity
  readonly source?: string
  readonly connection?: string
  readonly rule?: string
  readonly grant?: string
  readonly session?: string
  /** Whatever else belongs to this kind of event; plain JSON. */
  readonly facts?: Readonly<Record<string, unknown>>
}

/** Where a line stands. Kept beside what it decided, it says from where to read again. */
export interface Cursor {
  /** Relative to `data/`. */
  readonly file: string
  readonly seq: number
}

/**
 * Beside these the ledger writes lines of its own: `seal`, `heads` (how far recordings have grown), `recording.sealed`
 * (a closed recording's last line) and `recovered` (docs/recording.md).
 */
export type EventType =
  | 'gateway.started'
  | 'gateway.stopped'
  | 'config.loaded'
  | 'config.refused'
  /** A token was shown and did not verify, or was not permitted what it asked. */
  | 'token.refused'
  | 'grant.issued'
  | 'grant.pending'
  | 'grant.activated'
  | 'grant.refused'
  | 'grant.renewed'
  | 'grant.denied'
  | 'grant.expired'
  | 'grant.ended'
  | 'grant.revoked'
  /** A credential was shown at a door and refused. */
  | 'door.refused'
  | 'session.opened'
  | 'session.refused'
  | 'session.cut'
  | 'session.closed'
  | 'approval.decided'
  | 'lock.set'
  | 'lock.lifted'
  /** A person read or tried something on the people's side. */
  | 'people.called'
  | 'people.refused'
  | 'state.recovered'

/** Where events go. Implemented by `audit.ts` over the ledger. */
export interface Audit {
  /**
   * A decision: resolves once its line is on disk (one fdatasync for all that wait). Answer only after it. Rejects with
   * RecordingLost while the audit cannot be written: refuse.
   */
  decided(event: AuditEvent): Promise<Cursor>
  /** A fact: written at once, synced within the second. */
  noted(event: AuditEvent): void
}
