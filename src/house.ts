/** The stages as one value: built once in `gateway.ts`, handed to every step. What is here is all that a step can reach. */
import type { Approvals } from './approval/approval.ts'
import type { AuditLog } from './audit/audit.ts'
import type { Broker } from './broker/open.ts'
import type { Config } from './config/config.ts'
import type { Refused } from './denial.ts'
import type { Grants } from './grant/grants.ts'
import type { Verifier } from './identity/verify.ts'
import type { Policy } from './policy/permit.ts'
import type { AnyProtocol, CertificateAuthority } from './protocol/protocol.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'
import type { Clock, Identity } from './words.ts'

/** A token bucket for each key, on the monotonic clock (`listener/limits.ts`). */
export interface Rate {
  take(key: string, now: number, cost?: number): boolean
  /** Whether `take` would say yes. */
  has(key: string, now: number): boolean
}

export interface House {
  readonly version: string
  /** The configuration in force: replaced whole by a reload, so ask each time. */
  config(): Config
  /** The rules in force, beside the registry of protocols. */
  policy(): Policy
  readonly protocols: ReadonlyMap<string, AnyProtocol>
  readonly verifier: Verifier
  readonly grants: Grants
  readonly approvals: Approvals
  readonly audit: AuditLog
  readonly broker: Broker
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  /** Refusals by source address: who guesses is slowed down (attacks 46, 199). */
  readonly failures: Rate
  /** Those of right credentials, by source, name and secret: who is refused at one connection is not slowed at others, nor is a neighbour. */
  readonly refusals: Rate
  /** API requests by owner: `limits.requests_per_second`. */
  requests(): Rate
  /** What clients are told of us: the CA under `tls: auto`, and the SSH host key. */
  shows(): {
    readonly ca?: string
    readonly hostKey: string
    readonly authority: CertificateAuthority
  }
  /** URL of the protected resource's metadata (RFC 9728). */
  readonly metadata: URL
  /** Aborts when the gateway drains. */
  readonly draining: AbortSignal
  newRequestId(): string
  /** Parts by name, and whether each is fit for work: /readyz. */
  readiness(): Readonly<Record<string, boolean>>
  /** A refusal outside the ways, audited; answers with it, so that a caller can return it. */
  told(
    refused: Refused,
    at: { readonly identity?: Identity; readonly grant?: string; readonly call?: string },
  ): Refused
}
