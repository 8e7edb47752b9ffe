/**
 * What the demo prints: numbered lines of what was done, what came of it and how long it took. A promise that was not
 * kept is said in the same place and counted. Colours only on a terminal, and not under NO_COLOR.
 */
import { styleText } from 'node:util'
import { visible } from '../cli/print.ts'

export interface Outcome {
  /** What came of it, in a few words. */
  readonly said: string
  /** It came as promised. */
  readonly kept: boolean
  /** How long it took, where the program measured that itself, without its own start. */
  readonly ms?: number
  /** Where it did not: what there was instead, for whoever has to find out why. */
  readonly instead?: string
}

export interface Stage {
  line(text: string): void
  title(text: string): void
  /** Something measured by the way, under the step it belongs to. */
  note(text: string): void
  /** Runs, measures and prints one step. `time` is false where waiting, not working, takes the time. */
  step(does: string, run: () => Promise<Outcome>, time?: boolean): Promise<void>
  readonly steps: number
  readonly kept: number
}

type Style = Parameters<typeof styleText>[0]

const columns = { does: 45, said: 43 }

export function makeStage(out: NodeJS.WriteStream): Stage {
  const paint = (style: Style, text: string): string =>
    out.isTTY && !process.env['NO_COLOR'] ? styleText(style, text) : text
  const line = (text: string): void => void out.write(`${text}\n`)
  const count = { steps: 0, kept: 0 }
  return {
    line,
    title: text => line(paint('bold', text)),
    note: text => line(paint('dim', `   ${text}`)),
    async step(does, run, time = true) {
      count.steps++
      const start = performance.now()
      const outcome = await run().catch(
        (error: Error): Outcome => ({ said: 'failed', kept: false, instead: error.message }),
      )
      const ms = outcome.ms ?? performance.now() - start
      if (outcome.kept) count.kept++
      const left = `${String(count.steps).padStart(2)} ${fit(visible(does), columns.does)}`
      const said = fit(visible(outcome.said), columns.said)
      const took = time ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`.padStart(8) : ''
      const style: Style = !outcome.kept ? 'red' : said.startsWith('NO') ? 'yellow' : 'green'
      line(`${left} ${paint(style, said)}${paint('dim', took)}`.trimEnd())
      if (!outcome.kept)
        line(paint('red', `   NOT AS PROMISED: ${visible(outcome.instead ?? outcome.said).slice(0, 600)}`))
    },
    get steps() {
      return count.steps
    },
    get kept() {
      return count.kept
    },
  }
}

function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)
}
