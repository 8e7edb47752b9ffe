/**
 * With a side that takes nothing of what is sent to it: for how long, and for how many answers (attack 192). Data needs no
 * count: a host that sends it is not read from meanwhile, and what is answered as data here waits (pace.ts).
 */
import type { Payload } from './messages.ts'

const longestMillis = 120_000
/** Answers, adjustments and the like, which whoever asks on would have us gather. */
const mostAnswers = 4096

export class Patience {
  readonly #whose: string
  readonly #lose: (why: string) => void
  #late: NodeJS.Timeout | undefined
  #answers = 0

  constructor(whose: 'client' | 'host', lose: (why: string) => void) {
    this.#whose = whose
    this.#lose = lose
  }

  /** It is blocked, and this is to be sent to it nevertheless. */
  gathers(payload: Payload): void {
    const isData = !(payload instanceof Uint8Array)
    if (!isData && ++this.#answers === mostAnswers)
      this.#lose(`the ${this.#whose} asks on and takes no answers`)
  }

  blocked(): void {
    const late = () => this.#lose(`the ${this.#whose} took no data for two minutes`)
    this.#late ??= setTimeout(late, longestMillis).unref()
  }

  /** It takes again, or it is over. */
  end(): void {
    clearTimeout(this.#late)
    this.#late = undefined
    this.#answers = 0
  }
}
