/** Where the walk stands in a statement: what is found goes into one notebook, names resolve along the frames. */
import type { Touch } from '../../recording/record.ts'
import type { CopiedOut, Facts, Limits, Listed, Verb } from './analysis.ts'
import { catalogueColumns } from './catalogue.gen.ts'
import type { Ctes } from './ctes.ts'
import type { Hidden, Output } from './outputs.ts'

/** One thing in FROM, or the target of a write. */
export interface Entry {
  readonly name: string
  /** A relation's resolved name; nothing for what a sub-select, CTE or function gives. */
  readonly relation?: string
  readonly masked: readonly Hidden[]
  /** All columns of a sub-select or a CTE. */
  readonly output?: Output
  /** Only these of the relation's columns may be used. */
  readonly only?: Listed | undefined
  /** The target of a write: reading any column of it is reading the relation. */
  readonly target?: boolean
  /** A function, whose columns are these: `alias.other` would be a call (attribute notation). */
  readonly columns?: readonly string[]
  /** A relation whose columns are called otherwise than it has them. */
  readonly renamed?: boolean
}

export interface Frame {
  readonly entries: Entry[]
  readonly outer: Frame | undefined
}

export type Handler = (node: Tree, at: Place) => void
export type Handlers = Readonly<Record<string, Handler>>
export type Tree = Readonly<Record<string, unknown>>

/** Ends a walk that is not worth going on with: what made it is the last of the refusals. */
export class Enough extends Error {}

/** What anybody's statement needs, and far from what holds the thread up: it reads for everybody (attack 103). */
const most = {
  /** Things in FROM. */
  entries: 500,
  /** Look-ups of a name in something, in all statements of a string: a tenth of a second of them. */
  work: 1_000_000,
  /** Refusals; nobody is told more. */
  refusals: 10,
} as const

/** What the statements of one string have taken together. */
export interface Spent {
  work: number
}

export class Notes {
  readonly limits: Limits
  /** What the walk does at nodes where going on into their parts is not enough. */
  readonly handlers: Handlers
  readonly verbs: { verb: Verb; where?: string }[] = []
  readonly touches: Touch[] = []
  readonly refusals = new Set<string>()
  timeout: number | undefined
  literal = false
  /** A masked column is among what it gives out. */
  shows = false
  /** So many output columns are masked ones for certain. */
  shown = 0
  copied: CopiedOut | undefined
  readonly settings: number[] = []
  readonly fetches: string[] = []
  /** Of relations that were met, by their names. */
  readonly hidden = new Map<string, readonly Hidden[]>()
  /** What must stand in it for an {@link Unsaid} besides its place: signs, types that are cast to, `[]`. */
  readonly words = new Set<string>()
  /** Relations whose whole row is a value somewhere. */
  readonly whole = new Set<string>()
  /** Inside PREPARE, whose parameters EXECUTE gives: no message holds them. */
  prepares = false
  #entries = 0
  readonly #spent: Spent

  constructor(limits: Limits, handlers: Handlers, spent: Spent) {
    this.limits = limits
    this.handlers = handlers
    this.#spent = spent
  }

  refuse(why: string): void {
    this.work(1_000)
    this.refusals.add(why)
    if (this.refusals.size >= most.refusals) throw new Enough()
  }

  /** One more thing in FROM. */
  entered(): void {
    if (++this.#entries > most.entries)
      this.#stop(`a statement has at most ${most.entries} relations, sub-selects and functions in FROM`)
  }

  /** Names are about to be looked up in so many places. */
  work(places: number): void {
    this.#spent.work += places
    if (this.#spent.work > most.work)
      this.#stop('a statement that names so many columns of so many relations is not permitted')
  }

  #stop(why: string): never {
    this.refusals.add(why)
    throw new Enough()
  }

  /** The notes as they leave: each thing once. */
  facts(kind: string): Facts {
    const verbs = new Map(this.verbs.map(verb => [`${verb.verb} ${verb.where}`, verb]))
    const touches = new Map(this.touches.map(touch => [`${touch.act} ${touch.on}`, touch]))
    return {
      kind,
      verbs: [...verbs.values()],
      touches: [...touches.values()],
      refusals: [...this.refusals],
      literal: this.literal,
      ...(this.timeout !== undefined && { timeout: this.timeout }),
      ...(this.settings.length > 0 && { settings: this.settings }),
      ...(this.fetches.length > 0 && { fetches: this.fetches }),
      ...(this.shown > 0 && { shown: this.shown }),
      ...(this.copied !== undefined && { copied: this.copied }),
    }
  }
}

export class Place {
  readonly notes: Notes
  readonly frame: Frame | undefined
  /** The CTEs that can be named here. */
  readonly ctes: Ctes | undefined
  /** "inside WITH", for words. */
  readonly where: string | undefined

  constructor(notes: Notes, frame?: Frame, ctes?: Ctes, where?: string) {
    this.notes = notes
    this.frame = frame
    this.ctes = ctes
    this.where = where
  }

  inFrame(entries: Entry[] = []): Place & { readonly frame: Frame } {
    const frame: Frame = { entries, outer: this.frame }
    return new Place(this.notes, frame, this.ctes, this.where) as Place & { readonly frame: Frame }
  }

  /** Outside of the FROM that is being read: where a sub-select that is not LATERAL stands. */
  besides(): Place {
    return new Place(this.notes, this.frame?.outer, this.ctes, this.where)
  }

  knowing(ctes: Ctes): Place {
    return new Place(this.notes, this.frame, ctes, this.where)
  }

  inside(where: string): Place {
    return new Place(this.notes, this.frame, this.ctes, where)
  }

  refuse(why: string): void {
    this.notes.refuse(why)
  }

  touch(act: string, on: string): void {
    this.notes.touches.push({ act, on })
  }

  verb(verb: Verb): void {
    this.notes.verbs.push(this.where === undefined ? { verb } : { verb, where: this.where })
  }

  /** What the scope says of a relation's columns. */
  limitsOf(relation: string): Pick<Entry, 'masked' | 'only'> {
    const { limits, hidden } = this.notes
    const { masked, columns, catalog } = limits
    let known = hidden.get(relation)
    if (known === undefined) {
      const names = of(masked, relation) ?? []
      known = names.map(name => ({ name, of: `${relation}.${name}`, sure: true }))
      hidden.set(relation, known)
    }
    return {
      masked: known,
      only: of(columns, relation) ?? (catalog ? of(catalogueColumns, relation) : undefined),
    }
  }

  /** Whether the scope says `filter: true` of a masked column, `schema.table.column`. */
  mayDecide(column: string): boolean {
    const dot = column.lastIndexOf('.')
    return of(this.notes.limits.filter, column.slice(0, dot))?.includes(column.slice(dot + 1)) ?? false
  }

  /** Everything that a name could mean here, nearest first. */
  *entries(): Generator<Entry> {
    for (let frame = this.frame; frame !== undefined; frame = frame.outer) {
      for (const entry of frame.entries) {
        this.notes.work(weightOf(entry))
        yield entry
      }
    }
  }
}

/** In how many places a name is looked up to know what it is of an entry. */
export function weightOf({ masked, only, columns }: Entry): number {
  return 1 + masked.length + (only?.barred ?? only?.columns ?? []).length + (columns?.length ?? 0)
}

function of<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
