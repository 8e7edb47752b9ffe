/**
 * All that the first process and a worker say to each other, and what is answered. Plain data, and for a new client its
 * socket. It crosses a socketpair between two processes of ours, and is written nowhere.
 */
import type { Denial } from '../denial.ts'
import type { Tip } from '../ledger/chain.ts'
import type { Seal } from '../ledger/seal.ts'
import type { Proof, Shown } from '../protocol/protocol.ts'
import type { RecordingLost } from '../recording/record.ts'
import type { Ending, Grant, Source } from '../words.ts'
import type { CarriedLease } from './lease.ts'

export type Vocabulary = Readonly<Record<string, (said: never) => unknown>>

/** What a worker shows of the gateway at its doors, and seals with. */
export interface Keys {
  readonly data: string
  /** A secret of this run that all processes share ({@link Protocol.keyed}). */
  readonly run: Uint8Array
  readonly tls: { readonly cert: string; readonly key: string; readonly minVersion: 'TLSv1.2' }
  readonly hostKey: string
  readonly ssh?: { readonly certificate: Uint8Array; readonly authority: Uint8Array }
}

/** A client that was accepted; its socket comes with it. */
export interface Arriving {
  readonly client: number
  readonly protocol: string
  readonly source: Source
  readonly plaintext: boolean
  readonly loopback: boolean
}

/** A {@link Dialling} without its signal. */
export interface Dialled {
  readonly protocol: string
  readonly target: unknown
  readonly lease: CarriedLease
  readonly scope: unknown
  readonly grant: Grant
  readonly session: string
}

/** What a worker does not know of a session that it was let into. */
export interface Entered {
  readonly session: string
  readonly grant: Grant
  readonly cancelKey: Uint8Array
  readonly recordValues: boolean
}

interface OfSession {
  readonly session: string
}

export type ToWorker = {
  /** Before anything else, and again when one was renewed. */
  keys(said: Keys): void
  client(said: Arriving): void
  destroyClient(said: number): void
  record(said: OfSession & { readonly opened: Readonly<Record<string, unknown>> }): {
    readonly lost?: { readonly why: RecordingLost['why']; readonly cause: string }
  }
  hide(said: OfSession & { readonly secret: string }): void
  dial(said: Dialled): { readonly refused?: Denial }
  /** The dialling took too long. */
  abandon(said: OfSession): void
  /** The session is over: its signal aborts. */
  cut(said: OfSession & { readonly ending: Ending }): void
  cancel(said: OfSession): void
  dispose(said: OfSession): void
  destroy(said: OfSession): void
  close(said: OfSession & { readonly ending: Ending }): void
  checkpoint(said: OfSession): Tip | undefined
  drain(): void
  reloaded(): void
  ping(): void
  stop(): void
}

interface OfClient {
  readonly client: number
}

/** `Door`, but for the verifier of a SCRAM exchange: the first process knows which one it gave. */
export type ShownThere = Exclude<Shown, { how: 'scram' }> | Omit<Extract<Shown, { how: 'scram' }>, 'against'>

export type FromWorker = {
  proof(said: OfClient & { readonly user: string }): Proof
  enter(said: OfClient & { readonly shown: ShownThere }): Entered | { readonly refused: Denial }
  cancelBy(said: OfClient & { readonly key: Uint8Array }): void
  note(said: OfClient & { readonly denial: Denial; readonly user?: string }): void
  /** The protocol has returned, or failed. */
  served(said: OfClient & { readonly failed?: string }): void
  /** The client's socket is gone. */
  left(said: OfClient): void
  end(said: OfSession & { readonly ending: Ending }): void
  /** The recording stands on the disk (`Heads.opened`). */
  placed(said: OfSession & { readonly tip: Tip }): void
  /** These have grown since they were last asked how far. */
  grown(said: readonly string[]): void
  sealed(said: OfSession & { readonly tip: Tip; readonly seal: Seal }): void
}
