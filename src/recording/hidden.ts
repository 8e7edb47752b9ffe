/** The values one session must not write down: what its lease holds, in every form in which they are likely to appear. */
import { formsOf } from './forms.ts'
import { type Finder, redactSpans } from './redact.ts'
import { tokenFinders } from './tokens.ts'

const longestFirst = (forms: Iterable<string>) => [...new Set(forms)].sort((a, b) => b.length - a.length)

const find = (form: string): Finder => {
  return (text, from) => {
    const start = text.indexOf(form, from)
    return start < 0 ? undefined : { start, end: start + form.length }
  }
}

/** The beginning of each kind of token, and each form: one look at a text tells that there is nothing to hide, as is usual. */
const anyOf = (forms: readonly string[]) =>
  new RegExp(['pst_', 'eyJ', ...forms.map(form => RegExp.escape(form))].join('|'))

export class Hidden {
  #any = anyOf([])
  #anyBytes = anyOf([])
  #forms: readonly string[] = []
  #finders: readonly Finder[] = tokenFinders
  #byteForms: readonly string[] = []
  #byteFinders: readonly Finder[] = []

  /** The forms as UTF-8 bytes, each byte one latin1 character. */
  get byteForms(): readonly string[] {
    return this.#byteForms
  }

  /** Find them, longest first. */
  get byteFinders(): readonly Finder[] {
    return this.#byteFinders
  }

  hide(secret: string): void {
    this.#forms = longestFirst([...this.#forms, ...formsOf(secret)])
    this.#any = anyOf(this.#forms)
    this.#finders = [...this.#forms.map(find), ...tokenFinders]
    this.#byteForms = longestFirst(this.#forms.map(form => Buffer.from(form, 'utf8').toString('latin1')))
    this.#anyBytes = anyOf(this.#byteForms)
    this.#byteFinders = this.#byteForms.map(find)
  }

  /** Whether there may be something to hide. */
  mayBeIn(text: string): boolean {
    return this.#any.test(text)
  }

  /** Without hidden values and tokens. */
  redact(text: string): string {
    return this.#any.test(text) ? redactSpans(text, this.#finders) : text
  }

  /** The same for bytes of any encoding. The bytes themselves where there is nothing to hide. */
  redactBytes(bytes: Uint8Array): Buffer {
    const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const text = plain.toString('latin1')
    if (!this.#anyBytes.test(text)) return plain
    return Buffer.from(redactSpans(text, [...this.#byteFinders, ...tokenFinders], 'latin1'), 'latin1')
  }
}
