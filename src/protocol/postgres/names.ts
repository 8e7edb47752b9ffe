/**
 * What names of prepared statements and portals stand for. SQL changes them behind the protocol's back: DECLARE and CLOSE
 * make and drop portals, PREPARE and DEALLOCATE statements, FETCH and EXECUTE go by their names. No verdict and no mask may
 * outlive what it was made for (attack 93).
 */
import { IN_TRANSACTION } from './wire.ts'

export interface Texted {
  /** The statement's. */
  readonly text: string
}

/**
 * Names of one kind, and what the gateway knows to be held under them. A name that is not here is not free: the server may
 * hold under it what was forgotten here.
 */
export class Names<T extends Texted> {
  /** How often SQL changed names. What an undo from before that would bring back may be another's by now. */
  epoch = 0
  /** Characters of the statements that are held by name, which is until somebody drops them. */
  characters = 0
  /** Apart, for it changes with every statement: what that does to a Map, bag.ts says. */
  #unnamed: T | undefined
  readonly #named = new Map<string, T>()

  get size(): number {
    return this.#named.size + (this.#unnamed === undefined ? 0 : 1)
  }

  get(name: string): T | undefined {
    return name === '' ? this.#unnamed : this.#named.get(name)
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  /** All of them now, whatever changes meanwhile. */
  all(): readonly T[] {
    return [...(this.#unnamed === undefined ? [] : [this.#unnamed]), ...this.#named.values()]
  }

  set(name: string, held: T): void {
    if (name === '') {
      this.#unnamed = held
      return
    }
    this.characters += held.text.length - (this.#named.get(name)?.text.length ?? 0)
    this.#named.set(name, held)
  }

  delete(name: string): void {
    if (name === '') {
      this.#unnamed = undefined
      return
    }
    this.characters -= this.#named.get(name)?.text.length ?? 0
    this.#named.delete(name)
  }

  clear(): void {
    this.#unnamed = undefined
    this.characters = 0
    if (this.#named.size > 0) this.#named.clear()
  }

  forget(which: (held: T) => boolean): void {
    this.epoch++
    if (this.#unnamed !== undefined && which(this.#unnamed)) this.#unnamed = undefined
    for (const [name, held] of this.#named) if (which(held)) this.delete(name)
  }
}

/** What a message does to a name while it is not answered: it may be skipped, and then has done nothing. */
export interface Change {
  readonly names: Names<Texted>
  readonly name: string
  readonly epoch: number
  /** What the name stood for, as far as is known by now. */
  before: Texted | undefined
}

/** To be asked before `name` is set or deleted. */
export const changing = <T extends Texted>(names: Names<T>, name: string): Change => ({
  names,
  name,
  epoch: names.epoch,
  before: names.get(name),
})

/**
 * Takes a change back; `itself` where its message failed, and was not just skipped: the unnamed is dropped by the server before
 * it tries to make the new one. `later` is the next change of that name, of a message sent behind a Sync and to run yet: then
 * it is that one which found the name as it was.
 */
export function undo(
  { names, name, epoch, before }: Change,
  itself: boolean,
  later: Change | undefined,
): void {
  const known = names.epoch === epoch && !(itself && name === '') ? before : undefined
  if (later !== undefined) later.before = known
  else if (known === undefined) names.delete(name)
  else names.set(name, known)
}

export interface Held extends Texted {
  /** The server has told that it holds this. Nothing else makes it so. */
  sure: boolean
  /** The stretch between two Syncs in which it was sent. */
  readonly batch: number
  /** A DEALLOCATE in SQL may have dropped it; a PREPARE may then have made another under its name. */
  doubtful: boolean
  /** `Named.renamed` when it was parsed or bound, or ran last. */
  renamed: number
}

export interface Named {
  readonly statements: Names<Held>
  readonly portals: Names<Texted>
  /** Counts Syncs. */
  batch: number
  /** Nothing is under way. */
  readonly quiet: boolean
  /** As it was told last. */
  readonly transaction: number
  /** Counts everything that can change what a FETCH or an EXECUTE goes by. */
  renamed: number
  /** Names of the transaction's portals that ever stood for one. */
  readonly indirectPortals: Set<string>
  /** A statement that changes names was parsed under a name: an EXECUTE in SQL may run it. */
  changer: boolean
  /** One that goes by another name was: `sql-execute.ts` says what an EXECUTE in SQL would make of it. */
  indirect: boolean
}

/**
 * Behind a Sync a message can run though those before it were skipped: what may not have come to be must not lend its verdict
 * to what the server then still holds under the name. Whether it holds anything is for the server to say: what the gateway
 * dropped or forgot, for an error that came first or a refusal that went no further, is there yet.
 */
export const isUncertain = (held: Pick<Held, 'sure' | 'batch'>, { batch }: Named): boolean =>
  !held.sure && held.batch !== batch

const changes = /\b(declare cursor|close portal|prepare|deallocate)\b/
const everyChange = 'declare cursor; deallocate; prepare'

/** A statement is parsed under `name`. */
export function parsedAs(named: Named, name: string, kind: string): void {
  if (name === '') return
  named.renamed++
  if (kind !== 'select' && changes.test(kind)) named.changer = true
  if (goesByName(kind)) named.indirect = true
}

/** A string of statements is sent to run; `kind` is its verdict's word. */
export function ranInSql(named: Named, kind: string): void {
  // Whatever it was: a function of the database's own may close a cursor and open another under its name.
  named.renamed++
  if (kind === 'select') return
  if (changes.test(kind)) change(named, kind)
  // Which it runs is not known here: `execute e` of a parsed `prepare s as ...` makes an s that nobody would forget.
  else if (named.changer && /\bexecute\b/.test(kind)) change(named, everyChange)
}

function change(named: Named, kind: string): void {
  const { statements } = named
  // A portal that Bind made may be a cursor's now, of which nobody asked what it shows.
  if (/\b(declare cursor|close portal)\b/.test(kind)) named.portals.forget(() => true)
  if (/\bdeallocate\b/.test(kind)) {
    statements.epoch++
    for (const held of statements.all()) held.doubtful = true
  }
  if (/\bprepare\b/.test(kind)) statements.forget(held => held.doubtful)
}

/** A portal that shows whatever another name stands for when it runs. */
export const goesByName = (kind: string): boolean => kind !== 'select' && /\b(fetch|execute)\b/.test(kind)

/**
 * Whether what goes by a name still goes by what it did when it was parsed or bound. A transaction's end drops portals: from one
 * batch into the next it does only inside of one, which nothing began or ended meanwhile.
 */
export const goesBySame = (held: Pick<Held, 'renamed' | 'batch'>, named: Named): boolean =>
  held.renamed === named.renamed &&
  (held.batch === named.batch || (named.quiet && named.transaction === IN_TRANSACTION))
