/**
 * What crosses between the event loop and the store's thread: compiled SQL and plain values, nothing else.
 *
 * A job is all or nothing. A step may say how many rows it must change; if it changes another number the whole job is
 * undone and reported as a conflict. That is compare-and-set: `update ... where id = ? and state = 'active'`, changes 1.
 */

export type Value = string | number | null | Uint8Array

export interface Step {
  readonly sql: string
  readonly parameters: readonly Value[]
  /** The number of rows this step must change. */
  readonly changes?: number
}

export type Row = Readonly<Record<string, unknown>>

/** `done` brings the rows of the last step. A broken constraint is a conflict too: somebody was there first. */
export type Outcome =
  | { readonly is: 'done'; readonly rows: readonly Row[] }
  | { readonly is: 'conflict' }
  | { readonly is: 'failed'; readonly why: string }

/** To the thread: one group of jobs, which becomes one transaction; or the end. */
export type Order = { readonly group: readonly (readonly Step[])[] } | { readonly close: true }

/** From the thread. `lost` says why a group that was executed could not be committed: none of its jobs happened. */
export type Answer =
  | { readonly opened: true }
  /** `taken`: another process holds the file. */
  | { readonly refused: string; readonly taken: boolean }
  | { readonly outcomes: readonly Outcome[]; readonly lost?: string }
  | { readonly closed: true }
