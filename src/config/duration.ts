/** `30s 10m 2h 1d`: ASCII digits, one unit, nothing else (attack 50: signs, exponents, other digits, whitespace, newlines). */
import { z } from 'zod'
import type { Millis } from '../words.ts'

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Milliseconds, or undefined for anything but the four forms. */
export function parseDuration(text: string): Millis | undefined {
  const found = /^(0|[1-9][0-9]{0,5})([smhd])$/.exec(text)
  if (found === null) return undefined
  return Number(found[1]) * units[found[2] as keyof typeof units]
}

/** The shortest of the four forms; exact to the second. */
export function formatDuration(millis: Millis): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    if (millis > 0 && millis % units[unit] === 0) return `${millis / units[unit]}${unit}`
  }
  return `${Math.ceil(millis / 1000)}s`
}

/** A duration between two bounds, both allowed. */
export function duration(least: string, most: string) {
  const [min, max] = [parseDuration(least), parseDuration(most)]
  if (min === undefined || max === undefined) throw new TypeError(`not durations: ${least}, ${most}`)
  return z
    .string({ error: expected })
    .transform((text, at): Millis => {
      const millis = parseDuration(text)
      if (millis !== undefined && millis >= min && millis <= max) return millis
      const message = millis === undefined ? expected : `must be between ${least} and ${most}`
      at.addIssue({ code: 'custom', message, input: undefined })
      return z.NEVER
    })
    .meta({
      pattern: '^(0|[1-9][0-9]{0,5})[smhd]$',
      description: `A duration between ${least} and ${most}: 30s, 10m, 2h, 1d.`,
    })
}

const expected = 'must be a duration such as 30s, 10m, 2h or 1d'
