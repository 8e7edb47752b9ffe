/** What runs in a session: one listener on its signal for all of it, which cuts them when it aborts. */

import { Bag } from '../../bag.ts'

/** An exchange, which throws nothing: one must not keep the next from being cut. */
interface Running {
  cut(): void
}

const running = new WeakMap<AbortSignal, Bag<Running>>()

export function runningOf(signal: AbortSignal): Bag<Running> {
  let exchanges = running.get(signal)
  if (exchanges === undefined) {
    const all = new Bag<Running>()
    signal.addEventListener('abort', () => all.all().forEach(exchange => void exchange.cut()), { once: true })
    running.set(signal, all)
    exchanges = all
  }
  return exchanges
}
