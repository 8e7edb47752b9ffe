/** The tables of the state store as types: what is in `data/state.db`, or later in PostgreSQL. */
import type { GrantState } from '../words.ts'

export interface Tables {
  migrations: { number: number; name: string }
  grants: GrantRow
  locks: LockRow
  idempotency: IdempotencyRow
  approvals: ApprovalRow
  meta: { name: string; value: string }
}

export interface GrantRow {
  id: string
  /** The owner's key: equal for equal owners. */
  owner: string
  state: GrantState
  connection: string
  rule: string
  issued_at: number
  expires_at: number
  /** Sessions opened so far. */
  used: number
  /** JSON of the members of Grant that no query asks for. */
  document: string
  /** JSON; what a shown password is held against. Never the password. */
  verifier: string | null
  /** SSH public key as wire blob. */
  public_key: Uint8Array | null
  /** When a pending grant has waited long enough. */
  decide_by: number | null
  ending: string | null
  /** When it stopped being usable. */
  ended_at: number | null
}

export interface LockRow {
  id: string
  /** JSON of the fields that must match. */
  fields: string
  reason: string
  set_at: number
  expires_at: number | null
}

export interface IdempotencyRow {
  owner: string
  key: string
  /** SHA-256 of the request's body, hex. */
  request: string
  grant_id: string
  expires_at: number
}

export interface ApprovalRow {
  grant_id: string
  issuer: string
  subject: string
  uid: string | null
  decision: 'approve' | 'deny'
  note: string | null
  /** JSON {ttl?, scope?}: what the approver allowed less than was asked. */
  narrower: string
  /** SHA-256 of what the approver was shown, hex. */
  shown: string
  decided_at: number
}
