/** The `ttl` of a person's call: milliseconds, nothing where it was left out, or a refusal that says what it must be. */
import { parseDuration } from '../config/duration.ts'
import { type Refused, refuse } from '../denial.ts'

export function readTtl(ttl: string | undefined): number | undefined | Refused {
  if (ttl === undefined) return undefined
  const ms = parseDuration(ttl)
  if (ms) return ms
  return refuse('request_invalid', `ttl ${ttl}`, { say: 'ttl must be a duration such as 10m' })
}
