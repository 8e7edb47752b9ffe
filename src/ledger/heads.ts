/**
 * What recordings and the audit know of each other: recordings grow, the audit notes how far, so that a recording cannot
 * be cut short or taken away without the audit showing it (attack 178).
 */
import type { Tip } from './chain.ts'
import type { Seal } from './seal.ts'

/** A recording that is being written. */
export interface Followed {
  readonly session: string
  /** Something was written since the last checkpoint. */
  readonly grown: boolean
  /** Writes the digests so far, syncs, and says how far the recording stands on the disk. Never rejects. */
  checkpoint(): Promise<Tip | undefined>
}

/** The audit, as recordings see it. */
export interface Heads {
  /** When the process before this one wrote its last line, if it did not stop in good order. */
  readonly interruptedAt?: number | undefined
  /** A recording stands on the disk, as far as `tip`. From now on it is asked once a second how far it has grown. */
  opened(recording: Followed, tip: Tip): void
  /** Its last line is a seal: `tip`. */
  closed(session: string, tip: Tip, seal: Seal): void
}
