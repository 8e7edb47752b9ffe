/**
 * Results of a session that wait for its next record, and are written down before it: what makes a line then runs twice in
 * a row, in a warm cache. A recording that is looked at every second is never further behind than that.
 */
import { json } from '../ledger/text.ts'
import type { Hidden } from './hidden.ts'
import type { Result, Seq } from './record.ts'
import { columnsOf, resultMembers } from './records.ts'

interface Noted {
  readonly of: Seq
  readonly result: Result
  readonly time: number
}

export class Results {
  readonly #redact: (text: string) => string
  #noted: Noted[] = []
  /** Results of one shape share the names of their columns, and most their tag. */
  #columns: { readonly of: readonly string[]; readonly text: string } | undefined
  #tag: { readonly of: string; readonly text: string } | undefined

  constructor(hidden: Hidden) {
    this.#redact = text => hidden.redact(text)
  }

  get any(): boolean {
    return this.#noted.length > 0
  }

  note(of: Seq, result: Result, time: number): void {
    this.#noted.push({ of, result, time })
  }

  /** Each as the members of its line, oldest first; none is left. */
  write(line: (rest: string, time: number) => void): void {
    const noted = this.#noted
    this.#noted = []
    for (const { of, result, time } of noted)
      line(
        `"of":${of}${resultMembers(result, this.#columnsOf(result), this.#tagOf(result), this.#redact)}`,
        time,
      )
  }

  /** Something else is hidden from now on. */
  forget(): void {
    this.#columns = undefined
    this.#tag = undefined
  }

  #columnsOf({ columns }: Result): string | undefined {
    if (columns === undefined) return undefined
    if (this.#columns?.of !== columns) this.#columns = { of: columns, text: columnsOf(columns, this.#redact) }
    return this.#columns.text
  }

  #tagOf({ tag }: Result): string | undefined {
    if (tag === undefined) return undefined
    if (this.#tag?.of !== tag) this.#tag = { of: tag, text: json(this.#redact(tag)) }
    return this.#tag.text
  }
}
