/**
 * What the server still owes: one entry for each message that went upstream, in order. Answers are matched with the head,
 * so refusals, injected messages and pipelined answers stay in step (attack 94).
 *
 * Names of statements and portals change when a message is sent; where its answer turns out an error, or it was skipped
 * because of one before it, {@link OwedQueue.fail} takes the change back: a verdict stays tied to what the server holds (attack 93).
 */
import type { Seq, Verdict } from '../../recording/record.ts'
import type { Judged } from './guard.ts'
import type { MaskPlan } from './mask.ts'
import { type Change, type Held, undo } from './names.ts'
import type { Given } from './tally.ts'

/** A statement that the server holds by name, with the verdict it was let through on. */
export interface Prepared extends Held {
  readonly verdict: Verdict
  /** Its first record: its own, or that of a Bind in the same turn. */
  seq: Seq | null
  /** Known once the server has described it. */
  columns: readonly string[] | undefined
}

/** A bound statement. */
export interface Portal extends Omit<Held, 'doubtful'> {
  readonly prepared: Prepared
  readonly seq: Seq
  /** Known once the server has described the portal; null where nothing is masked. */
  plan: MaskPlan | null
  /** Over all its Executes. */
  readonly given: Given
}

export type OwedKind = 'query' | 'parse' | 'bind' | 'describe' | 'execute' | 'close' | 'sync'

export class Owed {
  readonly kind: OwedKind
  readonly seq: Seq
  readonly since: number
  /** For `parse`, and for a `describe` of either kind. */
  prepared: Prepared | null = null
  /** For `execute`, and for a `describe` of a portal. */
  portal: Portal | null = null
  /** Ours: the client did not ask and gets no answer. */
  quiet = false
  /** For `query`: what the guard found in it. */
  judged: Judged | null = null
  /** So many of its statements are done. */
  done = 0
  /** Told in place of the server's error, which we provoked. */
  refusal: Buffer | null = null
  change: Change | null = null
  /** What is there for sure once this is answered. */
  settles: Pick<Held, 'sure'> | null = null

  constructor(kind: OwedKind, seq: Seq, since: number) {
    this.kind = kind
    this.seq = seq
    this.since = since
  }
}

/** What the guard found in the statement that is being answered, of what is said of each statement of a string. */
export function foundIn<T>(
  { judged, done, portal }: Owed,
  of: (verdict: Judged) => readonly T[] | undefined,
): T | undefined {
  const verdict: Judged | undefined = portal?.prepared.verdict ?? judged ?? undefined
  return verdict === undefined ? undefined : of(verdict)?.[done]
}

/** Answered entries that an idle session may hold on to. */
const KEPT = 16

export class OwedQueue {
  /** From `#head` to before `#tail`; what lies around them is old. Cutting an array short is slow. */
  #entries: Owed[] = []
  #head = 0
  #tail = 0

  get length(): number {
    return this.#tail - this.#head
  }

  get head(): Owed | undefined {
    return this.#head < this.#tail ? this.#entries[this.#head] : undefined
  }

  push(entry: Owed): void {
    this.#entries[this.#tail++] = entry
  }

  /** The head was answered. */
  shift(): true {
    this.#head++
    if (this.#head === this.#tail) {
      this.#head = 0
      this.#tail = 0
      if (this.#entries.length > KEPT) this.#entries = []
    } else if (this.#head > 1024) this.#set(this.#entries.slice(this.#head, this.#tail))
    return true
  }

  /**
   * The head failed in the extended protocol: the server now skips everything up to a Sync. Entries up to there go, newest
   * change undone first. False where no Sync was sent yet.
   */
  fail(): boolean {
    let end = this.#head
    while (end < this.#tail && this.#entries[end]?.kind !== 'sync') end++
    const behind = this.#firstChanges(end)
    for (let i = end - 1; i >= this.#head; i--) {
      const change = this.#entries[i]?.change
      if (change) undo(change, i === this.#head, behind.get(change.names)?.get(change.name))
    }
    this.#head = end
    const synced = end < this.#tail
    if (!synced) this.#set([])
    return synced
  }

  /** Each name's first change from an entry on. Once for all: a pipeline may hold thousands on either side of a Sync. */
  #firstChanges(from: number): ReadonlyMap<Change['names'], ReadonlyMap<string, Change>> {
    const first = new Map<Change['names'], Map<string, Change>>()
    for (let i = this.#tail - 1; i >= from; i--) {
      const change = this.#entries[i]?.change
      if (!change) continue
      const ofKind = first.get(change.names) ?? new Map<string, Change>()
      first.set(change.names, ofKind.set(change.name, change))
    }
    return first
  }

  /**
   * COPY IN has begun: Syncs sent behind its statement are ignored by the server. False where anything else was: it is taken
   * for a broken COPY, never answered, and all that follows would be out of step.
   */
  dropSyncs(): boolean {
    const [execute, ...behind] = this.#entries.slice(this.#head, this.#tail)
    if (execute === undefined || behind.some(entry => entry.kind !== 'sync')) return false
    this.#set([execute])
    return true
  }

  #set(entries: Owed[]): void {
    this.#entries = entries
    this.#head = 0
    this.#tail = entries.length
  }
}
