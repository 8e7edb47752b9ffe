/** The real clocks. Handed in from the composition root, so that everything else can be tested at any time it likes. */
import type { Clock } from './words.ts'

export const clock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
}
