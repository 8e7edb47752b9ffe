/** What a verification is given and what it finds. */
import type { KeyObject } from 'node:crypto'
import type { Recovery } from './walk.ts'

export interface Finding {
  /** `audit/gw-1.jsonl:87`, or a file's name. */
  readonly where: string
  readonly what: string
}

export interface Report {
  readonly intact: boolean
  readonly events: number
  readonly recordings: number
  /** Recordings that have no seal yet. */
  readonly open: number
  /** In the order of the files; the first is the first bad line. */
  readonly faults: readonly Finding[]
  readonly recoveries: readonly (Recovery & { readonly file: string })[]
  /** What is not wrong, but not vouched for either. */
  readonly notes: readonly Finding[]
}

export interface Verifying {
  readonly data: string
  readonly key: KeyObject
  /** The text of a head.json that was kept elsewhere. */
  readonly head?: string
}

/** What the parts of a verification add to. */
export interface Book {
  readonly faults: Finding[]
  readonly notes: Finding[]
  readonly recoveries: (Recovery & { readonly file: string })[]
}
