/** What the parts of a relay see of each other: the client's end, and what a channel may do to the session it is in. */
import type { Denial } from '../../denial.ts'
import type { Recorder, Seq, Verdict } from '../../recording/record.ts'
import type { Pace } from './pace.ts'
import type { SshScope } from './scope.ts'
import type { Turnstile } from './turnstile.ts'
import type { SshUpstream } from './upstream.ts'
import type { Wire } from './wire.ts'

/** What a wire sends. */
export type Payload = Parameters<Wire['send']>[0]

/** The client, as the relay speaks to it: a wire, or the house itself (`local.ts`). */
export interface NearSide
  extends Pick<Wire, 'send' | 'pause' | 'resume' | 'blocked' | 'ended' | 'disconnect' | 'fail'> {
  /** What was asked for in this channel was not started: for a client that wants the denial itself. */
  refused?(near: number, denial: Denial): void
}

/** What a channel may do to the session that it is in. */
export interface RelaySide {
  readonly scope: SshScope
  readonly recordValues: boolean
  readonly recorder: Recorder
  readonly host: SshUpstream
  readonly turnstile: Turnstile
  readonly pace: Pace
  toNear(payload: Payload): void
  toFar(payload: Payload): void
  /** Sets something running on the host; its record's number is the proof that there is one. */
  run(of: Seq, payload: Payload): void
  /** Past the turn: at the cut there is no other. */
  urgent(payload: Payload): void
  /** `near`: what the channel was to run was refused, not some request within it. */
  refused(verdict: Verdict, near?: number): void
  /** What was shown or typed matches a pattern of `cut_on`: the session ends. */
  caught(pattern: string, how: 'shown' | 'typed'): void
  forget(ends: { readonly id: number }): void
}
