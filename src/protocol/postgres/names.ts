/**
 * What names of prepared statements and portals stand for. SQL changes them behind the protocol's back: DECLARE and CLOSE
 * make and drop portals, PREPARE and DEALLOCATE statements, FETCH and EXECUTE go by their names. No verdict and no mask may
 * outlive what it was made for (attack 93).
 */

/** Names of one kind. What was forgotten stays so, whatever an undo from before would bring back. */
export class Names<T> extends Map<string, T> {
  /** How often names were forgotten. */
  epoch = 0
  /** Names that were dropped since all was answered: the server may hold them yet. */
  readonly #dropped = new Set<string>()

  /** Whether nothing can be held under the name. */
  isFree(name: string): boolean {
    return !this.has(name) && !this.#dropped.has(name)
  }

  drop(name: string): void {
    if (this.delete(name)) this.#dropped.add(name)
  }

  /** All is answered: what is held is known. */
  settle(): void {
    if (this.#dropped.size > 0) this.#dropped.clear()
  }

  forget(which: (held: T) => boolean): void {
    this.epoch++
    for (const [name, held] of this) if (which(held)) this.delete(name)
  }
}

/** Puts a name back as it was; `itself` where the message failed, and was not just skipped. */
export type Undo = (itself: boolean) => void

/** Remembers what `name` stood for. The unnamed is dropped by the server before it tries to make the new one. */
export function undoing<T>(names: Names<T>, name: string): Undo {
  const before = names.get(name)
  const { epoch } = names
  return itself => {
    if (before === undefined || names.epoch !== epoch || (itself && name === '')) names.delete(name)
    else names.set(name, before)
  }
}

export interface Held {
  /** The server has told that it holds this, or it took no other's place: if it failed, the name stands for nothing. */
  sure: boolean
  /** The stretch between two Syncs in which it was sent. */
  readonly batch: number
  /** A DEALLOCATE in SQL may have dropped it; a PREPARE may then have made another under its name. */
  doubtful: boolean
}

export interface Named {
  readonly statements: Names<Held>
  readonly portals: Names<unknown>
  /** Counts Syncs. */
  batch: number
  /** Counts everything that can change what a FETCH or an EXECUTE in SQL goes by. */
  renamed: number
}

/**
 * Behind a Sync a message can run though those before it were skipped: what took another's place, and may not have come to be,
 * must not lend its verdict to what the server then still holds.
 */
export const isUncertain = (held: Pick<Held, 'sure' | 'batch'>, { batch }: Named): boolean =>
  !held.sure && held.batch !== batch

const changes = /\b(declare cursor|close portal|prepare|deallocate)\b/

/** A string of statements is sent to run; `kind` is its verdict's word. */
export function ranInSql(named: Named, kind: string): void {
  if (kind === 'select' || !changes.test(kind)) return
  named.renamed++
  // A portal that Bind made may be a cursor's now, of which nobody asked what it shows.
  if (/\b(declare cursor|close portal)\b/.test(kind)) named.portals.forget(() => true)
  if (/\bdeallocate\b/.test(kind)) for (const held of named.statements.values()) held.doubtful = true
  if (/\bprepare\b/.test(kind)) named.statements.forget(held => held.doubtful)
}

/** A portal that shows whatever another name stands for when it runs. */
export const goesByName = (kind: string): boolean => kind !== 'select' && /\b(fetch|execute)\b/.test(kind)
