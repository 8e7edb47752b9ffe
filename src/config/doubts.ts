/** What of a valid configuration will probably not do what was meant, in this process: for `check` and the log of `serve`. */
import type { Log } from '../telemetry/log.ts'
import type { Loaded } from './parse.ts'
import { renderProblem } from './problem.ts'

/** `postern.yaml:8:41: connections.web-1.lease.private_key: the variable WEB_KEY is not set here`, and others like it. */
export function doubtsOf({ warnings, variables }: Loaded, file: string): readonly string[] {
  // A variable that is not set refuses sessions of its connection alone: no reason not to start.
  const unset = variables.filter(({ name }) => (process.env[name] ?? '') === '')
  return [...warnings, ...unset].map(problem => renderProblem(file, problem))
}

export function logDoubts(loaded: Loaded, file: string, log: Log): void {
  for (const why of doubtsOf(loaded, file)) log.warn({ why }, 'the configuration may not do what is meant')
}
