/**
 * Every refusal the gateway can give, one row a code: `{ http, sqlstate, safe }` (DESIGN.md section 6).
 *
 * `safe` is what a caller may read when a denial brings no text of its own. The full reason, `detail`, goes to audit
 * alone: an attacker learns the row, an operator learns the cause. Callers switch on `code`, never on words.
 */

const row = (http: number, sqlstate: string, safe: string) => ({ http, sqlstate, safe }) as const

export const denials = {
  token_missing: row(401, '28000', 'an access token is needed: Authorization: Bearer <token>'),
  token_malformed: row(401, '28000', 'the access token is not a well-formed JWT'),
  token_type: row(401, '28000', 'this is not an access token for this gateway'),
  token_algorithm: row(401, '28000', 'the access token is signed with an algorithm that is not accepted'),
  token_signature: row(401, '28000', "the access token's signature does not verify"),
  token_key_unknown: row(401, '28000', 'the access token is signed by a key its issuer does not publish'),
  token_issuer: row(401, '28000', 'the access token is from an issuer that is not accepted'),
  token_audience: row(401, '28000', 'the access token is meant for another audience'),
  token_client: row(401, '28000', 'the client this access token was issued to is not accepted'),
  token_expired: row(401, '28000', 'the access token has expired: get a new one and ask again'),
  token_not_yet_valid: row(401, '28000', 'the access token is not valid yet: compare the clocks'),
  token_revoked: row(401, '28000', 'the access token has been revoked'),
  groups_missing: row(401, '28000', 'the access token carries no usable groups claim'),
  dpop_required: row(401, '28000', 'this access token is bound to a key: use the DPoP scheme with a proof'),
  dpop_invalid: row(401, '28000', 'the DPoP proof does not fit this request'),
  dpop_replayed: row(401, '28000', 'this DPoP proof has been used before'),
  not_permitted: row(403, '42501', 'no rule gives this token that connection'),
  scope_empty: row(403, '42501', 'nothing is left of the scope that was asked for'),
  condition_unmet: row(403, '42501', 'a condition of the rule is not met'),
  reason_required: row(403, '42501', 'the rule asks for a reason or a task'),
  approval_required: row(403, '42501', 'the grant waits for approval'),
  approval_denied: row(403, '42501', 'the grant was not approved'),
  approval_expired: row(403, '42501', 'nobody approved the grant in time'),
  grant_expired: row(403, '28000', 'the grant has expired'),
  grant_revoked: row(403, '28000', 'the grant has been revoked'),
  locked: row(403, '28000', 'access is locked'),
  statement_refused: row(403, '42501', "the grant's scope does not allow this"),
  statement_unparsable: row(403, '42601', 'this statement cannot be read and is therefore refused'),
  grant_unknown: row(404, '28P01', 'no such grant'),
  request_invalid: row(400, '08P01', 'the request is not valid'),
  protocol_violation: row(400, '08P01', 'the protocol was violated'),
  upstream_refused: row(422, '08004', 'the target refused'),
  limit_exceeded: row(429, '54000', 'a limit was exceeded'),
  rate_limited: row(429, '53300', 'too many requests: slow down'),
  upstream_unreachable: row(502, '08001', 'the target cannot be reached'),
  issuer_unreachable: row(503, '57P03', "the token's issuer cannot be reached"),
  recording_unavailable: row(503, '57P03', 'the recording cannot be written, so nothing is relayed'),
  shutting_down: row(503, '57P01', 'the gateway is shutting down'),
  internal_error: row(500, 'XX000', 'the gateway failed'),
} as const satisfies Record<string, { http: number; sqlstate: string; safe: string }>

export type Code = keyof typeof denials

/** Whether whoever is refused so may be guessing: the credential was not a right one, or nothing that could be read. */
export function isGuess(code: Code): boolean {
  const { http } = denials[code]
  return http === 401 || http === 404 || http === 400 || http === 500
}

/** One refusal: a stable code, the whole reason for audit, and what the caller may read. */
export interface Denial {
  readonly code: Code
  /** The whole reason. Audit only. */
  readonly detail: string
  /** Text for the caller in place of the row's. Says what to do; holds nothing the caller may not know. */
  readonly say?: string
  /** Members for the caller beside the text, such as `{ may_ask_for: [...] }`. */
  readonly facts?: Readonly<Record<string, unknown>>
  /** No grant would allow it: there is no word for it in any scope. */
  readonly everywhere?: true
}

/** An expected refusal as a value: functions that may refuse return `T | Refused`. */
export class Refused {
  readonly denial: Denial
  constructor(denial: Denial) {
    this.denial = denial
  }
}

export function refuse(code: Code, detail: string, more: Omit<Denial, 'code' | 'detail'> = {}): Refused {
  return new Refused({ code, detail, ...more })
}

/** The text a caller may read. */
export function sayOf(denial: Denial): string {
  return denial.say ?? denials[denial.code].safe
}

/** A failure of ours or of a part below us, carrying the refusal its caller is told. `cause` is always set. */
export class GatewayError extends Error {
  readonly denial: Denial
  constructor(denial: Denial, cause: unknown) {
    super(`${denial.code}: ${denial.detail}`, { cause })
    this.name = 'GatewayError'
    this.denial = denial
  }
}
