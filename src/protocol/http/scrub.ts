/**
 * The lease's values in what an upstream sends back (attack 141): replaced by stars, one a byte, so that no length and no
 * offset changes. Found as they are, as JSON, HTML, base64 and percent-encoding write them, and split over chunks.
 */
import type { Denial } from '../../denial.ts'
import { Hidden } from '../../recording/hidden.ts'

/** Bytes on their way to a client. What may not be let go yet is held until more comes, or `end`. */
export interface Filter {
  /** Nothing is told of the answer before its end: it may still be refused, by a {@link GatewayError} from either call. */
  readonly whole?: true
  /** The last words of an answer that is cut under way: after them it ends as if whole. */
  readonly farewell?: (denial: Denial) => Buffer
  push(chunk: Buffer): Buffer
  end(): Buffer
}

const nothing = Buffer.alloc(0)
const star = 0x2a

export class Secrets {
  readonly #hidden = new Hidden()
  #forms: readonly Buffer[] = []
  #texts: readonly string[] = []

  constructor(values: readonly string[]) {
    for (const value of values) this.add(value)
  }

  /** One more, for every answer that begins from here on. */
  add(value: string): void {
    this.#hidden.hide(value)
    this.#texts = this.#hidden.byteForms
    this.#forms = this.#texts.map(form => Buffer.from(form, 'latin1'))
  }

  mayBeIn(text: string): boolean {
    return this.#texts.some(form => text.includes(form))
  }

  /** A header's value, latin1 as Node has it. */
  inText(text: string): string {
    let out = text
    for (const form of this.#texts)
      if (out.includes(form)) out = out.replaceAll(form, '*'.repeat(form.length))
    return out
  }

  filter(): Filter {
    const forms = this.#forms
    let held: Buffer = nothing
    return {
      push(chunk) {
        const bytes = starred(held.length === 0 ? chunk : Buffer.concat([held, chunk]), forms)
        const from = undecided(bytes, forms)
        // A copy: the memory is another answer's as soon as this one has been written.
        held = from === bytes.length ? nothing : Buffer.from(bytes.subarray(from))
        return held === nothing ? bytes : bytes.subarray(0, from)
      },
      end() {
        const rest = held
        held = nothing
        return rest
      },
    }
  }
}

function starred(bytes: Buffer, forms: readonly Buffer[]): Buffer {
  let out = bytes
  for (const form of forms) {
    for (let at = out.indexOf(form); at >= 0; at = out.indexOf(form, at + form.length)) {
      // The bytes may be a view of what others still read.
      if (out === bytes) out = Buffer.from(bytes)
      out.fill(star, at, at + form.length)
    }
  }
  return out
}

/** Where the first thing begins that more bytes could turn into a secret. */
function undecided(bytes: Buffer, forms: readonly Buffer[]): number {
  let from = bytes.length
  for (const form of forms) {
    const first = form[0] ?? 0
    let at = bytes.indexOf(first, Math.max(0, bytes.length - form.length + 1))
    while (at >= 0 && at < from) {
      if (bytes.compare(form, 0, bytes.length - at, at) === 0) from = at
      at = bytes.indexOf(first, at + 1)
    }
  }
  return from
}

/** One filter after the other. */
export function inTurn(first: Filter, second: Filter): Filter {
  return {
    ...(first.whole || second.whole ? { whole: true } : {}),
    push: chunk => second.push(first.push(chunk)),
    end: () => Buffer.concat([second.push(first.end()), second.end()]),
  }
}
