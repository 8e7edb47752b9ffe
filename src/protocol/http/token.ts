/**
 * A bearer token that ends: kept until a while before its end, then asked for again in the background, one question at a
 * time however many wait. Where it comes from is its source's affair.
 */
import { Refused, refuse } from '../../denial.ts'

export interface Token {
  readonly token: string
  /** Milliseconds from when it was asked for. */
  readonly life: number
}

export type TokenSource = () => Promise<Token | Refused>

/** Asked for anew this long before its end, in the background; half of its life where it is shorter. */
const ahead = 60_000

export class KeptToken {
  readonly #source: TokenSource
  readonly #onToken: (token: string) => void
  readonly #now: () => number
  #renewAt = 0
  #endsAt = 0
  #asking: Promise<Refused | undefined> | undefined

  /** `onToken` is told each new token before anybody may use it; `now` in monotonic milliseconds. */
  constructor(source: TokenSource, onToken: (token: string) => void, now: () => number) {
    this.#source = source
    this.#onToken = onToken
    this.#now = now
  }

  /** Undefined where there is a good one; else what to wait for. */
  ready(): Promise<Refused | undefined> | undefined {
    const now = this.#now()
    if (now < this.#renewAt) return undefined
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return now < this.#endsAt ? undefined : this.#asking
  }

  /** Never rejects: in the background nobody waits for it. */
  async #ask(): Promise<Refused | undefined> {
    const asked = this.#now()
    try {
      const got = await this.#source()
      // The next request asks again.
      if (got instanceof Refused) return got
      this.#onToken(got.token)
      this.#endsAt = asked + got.life
      this.#renewAt = this.#endsAt - Math.min(ahead, got.life / 2)
      return undefined
    } catch (error) {
      // Its message may hold what the token is made from.
      const { code, name } = error as NodeJS.ErrnoException
      return refuse('internal_error', `the lease gave no token: ${code ?? name}`)
    }
  }
}
