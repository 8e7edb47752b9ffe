/** What a string of statements does, as the walk over its tree found it: plain data that crosses back from the worker. */
import type { Touch } from '../../recording/record.ts'

/** A statement's word, as a scope lists it. */
export type Verb = 'select' | 'insert' | 'update' | 'delete' | 'merge'

/** Relations and functions as `schema.name`, resolved as the server would. */
export interface Facts {
  /** The statement's own word: `select`, `begin`, `explain`, `create table`. */
  readonly kind: string
  /** Every verb in it, wherever it stands. */
  readonly verbs: readonly { readonly verb: Verb; readonly where?: string }[]
  /** `read`, `insert`, `update`, `delete`, `lock` on relations; `call` on functions. */
  readonly touches: readonly Touch[]
  /** What no scope permits, and what this one's limits do not, in words that may be shown to the caller. */
  readonly refusals: readonly string[]
  /** `SET statement_timeout`, milliseconds; 0 is none at all. */
  readonly timeout?: number
  /** Parameters of `current_setting($1)`, which must be names that SHOW shows: the message that gives them is to be judged. */
  readonly settings?: readonly number[]
  /** Portals that FETCH and MOVE name: what these stand for, the session knows. */
  readonly fetches?: readonly string[]
  /** So many output columns, at least, are masked ones: the server must say so of no fewer. Nothing where it is none. */
  readonly shown?: number
  /** COPY TO STDOUT with masked columns. */
  readonly copied?: CopiedOut
  /** The facts would be others with another literal in its place: nothing may be concluded for other texts. */
  readonly literal: boolean
}

/** How COPY TO STDOUT writes rows. */
export interface CopyForm {
  readonly format: 'text' | 'csv' | 'binary'
  /** The first line has the columns' names. */
  readonly header: boolean
  readonly delimiter: string
  readonly quote: string
  readonly escape: string
  /** What stands for NULL. */
  readonly none: string
}

export interface CopiedOut extends CopyForm {
  /** For each column as they come the masked one that it is, `schema.table.column`, or null. */
  readonly columns: readonly (string | null)[]
}

export type Analysis =
  | { readonly ok: true; readonly statements: readonly Facts[] }
  /** The parser's own complaint: the server would not read it either. */
  | { readonly ok: false; readonly why: string }

/** The part of a scope that decides along the walk, because names must be resolved for it. */
export interface Limits {
  /** Columns that must not be seen except as plain output, by relation. */
  readonly masked: Readonly<Record<string, readonly string[]>>
  /** Those of them that may decide (filter, order, group, join) though they are not seen, by relation. */
  readonly filter: Readonly<Record<string, readonly string[]>>
  /** Relations of which only some columns may be used, read or written. */
  readonly columns: Readonly<Record<string, Listed>>
  readonly own: OwnFunctions
  /** Functions that may be called beyond the vetted ones. */
  readonly functions: readonly string[]
  /** Names may be looked up in the catalogue. */
  readonly catalog: boolean
}

/** The database's own functions that are called by what looks like something else. */
export interface OwnFunctions {
  /** The server's major version, 0 where it is not known: what it has built in, and which words it would take for names. */
  readonly version: number
  /** Where they are, and every bare name that is no built-in's: the one schema of the search_path. */
  readonly schema: string
  /** By `alias.name`, which looks like a column. */
  readonly rows: readonly string[]
  /** By the same, where the row's own column of that name cannot be seen: it was renamed, or a sub-select's row is given. */
  readonly hidden: readonly string[]
  /** By `(value).name`, whatever the value: those that have the name of what is else taken for a column. */
  readonly fields: readonly string[]
  /** By a built-in's name. */
  readonly names: readonly string[]
  /** Relations whose row is cast by itself to another type: whatever takes that takes the row. */
  readonly casting: readonly string[]
  readonly unsaid: readonly Unsaid[]
}

/** One that no name calls: it is behind an operator, a cast, a domain's CHECK or a comparison of the database's own. */
export interface Unsaid {
  readonly calls: string
  /** The relation or function that brings values to which it happens; null where any may. */
  readonly place: string | null
  /** Where a statement uses the place, only where it reads it, or only where it takes its whole row for a value. */
  readonly how: 'in' | 'read' | 'whole'
  /**
   * What must be in the statement besides: the type of a cast, `operator =`, `operator pg_catalog.=` where it is written so, `[]` for an
   * array that is made of values or several values for one function; or nothing.
   */
  readonly needs: string
}

export interface Listed {
  readonly columns: readonly string[]
  /** All other columns that there are, where that is known: a bare name that is none of them is another relation's. */
  readonly barred?: readonly string[]
}
