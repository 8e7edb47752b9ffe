/**
 * Verdicts that were given before, by scope and text. What the guard puts in and asks for is its own affair (attack 104).
 * Bounded in bytes; two generations stand for "recently used", so that a hit costs one look-up and no bookkeeping.
 */
import type { Verdict } from '../../recording/record.ts'

/** The verdicts under one scope. */
export interface ScopeVerdicts {
  get(text: string): Verdict | undefined
  set(text: string, verdict: Verdict): void
}

/** Longer texts are rarely said twice. */
const LONGEST = 16 * 1024

class Verdicts implements ScopeVerdicts {
  readonly #cache: VerdictCache
  young = new Map<string, Verdict>()
  old = new Map<string, Verdict>()
  constructor(cache: VerdictCache) {
    this.#cache = cache
  }

  get(text: string): Verdict | undefined {
    const verdict = this.young.get(text)
    if (verdict !== undefined) return verdict
    const older = this.old.get(text)
    if (older !== undefined) this.set(text, older)
    return older
  }

  set(text: string, verdict: Verdict): void {
    if (text.length > LONGEST) return
    if (!this.young.has(text)) this.#cache.grew(this, text, verdict)
    this.young.set(text, verdict)
  }
}

export class VerdictCache {
  readonly #bytes: number
  readonly #scopes = new Map<string, Verdicts>()
  /** All that hold anything, also those whose scope was taken anew since. */
  readonly #holding = new Set<Verdicts>()
  #young = 0

  constructor(bytes = 32 * 1024 * 1024) {
    this.#bytes = bytes
  }

  under(scope: string): ScopeVerdicts {
    let verdicts = this.#scopes.get(scope)
    if (verdicts === undefined) {
      verdicts = new Verdicts(this)
      this.#scopes.set(scope, verdicts)
    }
    return verdicts
  }

  /** Called before something is added. Half the bound is for the young, half for the old. */
  grew(by: Verdicts, text: string, verdict: Verdict): void {
    this.#young += sizeOf(text, verdict)
    if (this.#young > this.#bytes / 2) {
      this.#young = sizeOf(text, verdict)
      for (const one of this.#holding) {
        one.old = one.young
        one.young = new Map()
        if (one.old.size === 0) this.#holding.delete(one)
      }
      for (const [scope, one] of this.#scopes)
        if (!this.#holding.has(one) && one !== by) this.#scopes.delete(scope)
    }
    this.#holding.add(by)
  }

  /** Forgets everything: other rules are in force. Whoever asks for scopes that he had goes on with them. */
  clear(): void {
    for (const one of this.#holding) {
      one.young = new Map()
      one.old = new Map()
    }
    this.#holding.clear()
    this.#scopes.clear()
    this.#young = 0
  }
}

/** About what a verdict and its record's ready-made bytes take. */
function sizeOf(text: string, { statement }: Verdict): number {
  return 512 + 4 * text.length + 96 * statement.touches.length
}
