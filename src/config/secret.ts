/**
 * Secrets are references (`env:NAME`, `file:/absolute/path`) until a session needs them.
 *
 * A {@link SecretRef} names a secret and never holds it; {@link SecretRef.resolve} reads it, late and off the loop; a
 * {@link Secret} holds it for one session and prints as a mark. `reveal()` may be called only in the files that
 * `scripts/layers.ts` lists: attack 204 is a secret in an error, a log line or a dump.
 */
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'

export class SecretRef {
  readonly ref: string
  constructor(ref: string) {
    this.ref = ref
  }

  /** Reads the secret. Throws {@link SecretUnavailable}, which names the reference and never the value. */
  async resolve(): Promise<Secret> {
    const colon = this.ref.indexOf(':')
    const name = this.ref.slice(colon + 1)
    if (this.ref.startsWith('env:')) {
      const value = process.env[name]
      if (value === undefined || value === '')
        throw new SecretUnavailable(this.ref, 'the variable is not set')
      return new Secret(value)
    }
    try {
      const text = await readFile(name, 'utf8')
      return new Secret(text)
    } catch (error) {
      throw new SecretUnavailable(this.ref, (error as NodeJS.ErrnoException).code ?? 'unreadable', error)
    }
  }
}

export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  /** The secret as stored, trailing newline and all: a key file needs it. Passwords: {@link revealLine}. */
  reveal(): string {
    return this.#value
  }
  /** The secret without its trailing newline, as editors and `echo` leave one. */
  revealLine(): string {
    return this.#value.replace(/\r?\n$/, '')
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [inspect.custom](): string {
    return '[secret]'
  }
}

/** The same shape with each reference read: what a session holds of a connection's `lease`. */
export type Leased<L> = {
  readonly [K in keyof L]: L[K] extends SecretRef
    ? Secret
    : L[K] extends SecretRef | undefined
      ? Secret | undefined
      : L[K] extends object
        ? Leased<L[K]>
        : L[K]
}

export class SecretUnavailable extends Error {
  constructor(ref: string, why: string, cause?: unknown) {
    super(`secret ${ref}: ${why}`, { cause })
    this.name = 'SecretUnavailable'
  }
}
