/** Where the walk stands in a statement: what is found goes into one notebook, names resolve along the frames. */
import type { Touch } from '../../recording/record.ts'
import type { Facts, Limits, Listed, Verb } from './analysis.ts'
import { catalogueColumns } from './catalogue.gen.ts'

/** One thing in FROM, or the target of a write. */
export interface Entry {
  readonly name: string
  /** A relation's resolved name; nothing for what a sub-select, CTE or function gives. */
  readonly relation?: string
  readonly masked: readonly string[]
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

export class Notes {
  readonly limits: Limits
  /** What the walk does at nodes where going on into their parts is not enough. */
  readonly handlers: Handlers
  readonly verbs: { verb: Verb; where?: string }[] = []
  readonly touches: Touch[] = []
  readonly refusals: string[] = []
  timeout: number | undefined
  literal = false
  /** A masked column is among what it gives out. */
  shows = false
  readonly settings: number[] = []
  /** Inside PREPARE, whose parameters EXECUTE gives: no message holds them. */
  prepares = false
  constructor(limits: Limits, handlers: Handlers) {
    this.limits = limits
    this.handlers = handlers
  }

  /** The notes as they leave: each thing once. */
  facts(kind: string): Facts {
    const verbs = new Map(this.verbs.map(verb => [`${verb.verb} ${verb.where}`, verb]))
    const touches = new Map(this.touches.map(touch => [`${touch.act} ${touch.on}`, touch]))
    return {
      kind,
      verbs: [...verbs.values()],
      touches: [...touches.values()],
      refusals: [...new Set(this.refusals)],
      literal: this.literal,
      ...(this.timeout !== undefined && { timeout: this.timeout }),
      ...(this.settings.length > 0 && { settings: this.settings }),
    }
  }
}

export class Place {
  readonly notes: Notes
  readonly frame: Frame | undefined
  /** The CTEs that can be named here. */
  readonly ctes: ReadonlySet<string>
  /** "inside WITH", for words. */
  readonly where: string | undefined

  constructor(notes: Notes, frame?: Frame, ctes: ReadonlySet<string> = new Set(), where?: string) {
    this.notes = notes
    this.frame = frame
    this.ctes = ctes
    this.where = where
  }

  inFrame(entries: Entry[] = []): Place & { readonly frame: Frame } {
    const frame: Frame = { entries, outer: this.frame }
    return new Place(this.notes, frame, this.ctes, this.where) as Place & { readonly frame: Frame }
  }

  knowing(ctes: ReadonlySet<string>): Place {
    return new Place(this.notes, this.frame, ctes, this.where)
  }

  inside(where: string): Place {
    return new Place(this.notes, this.frame, this.ctes, where)
  }

  refuse(why: string): void {
    this.notes.refusals.push(why)
  }

  touch(act: string, on: string): void {
    this.notes.touches.push({ act, on })
  }

  verb(verb: Verb): void {
    this.notes.verbs.push(this.where === undefined ? { verb } : { verb, where: this.where })
  }

  /** What the scope says of a relation's columns. */
  limitsOf(relation: string): Pick<Entry, 'masked' | 'only'> {
    const { masked, columns, catalog } = this.notes.limits
    return {
      masked: of(masked, relation) ?? [],
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
    for (let frame = this.frame; frame !== undefined; frame = frame.outer) yield* frame.entries
  }
}

function of<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
