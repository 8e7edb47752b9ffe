/** A number in a scope that limits: as it is written, with its unit, and how two of them meet. Null is none. Pure. */
import { z } from 'zod'

export const quantity = (factors: Readonly<Record<string, number>>, say: string) =>
  z.union([
    z.int().positive(),
    z
      .string()
      .regex(new RegExp(`^[1-9][0-9]{0,8}(${Object.keys(factors).join('|')})$`), say)
      .transform(text => Number.parseInt(text, 10) * (factors[text.replace(/^[0-9]+/, '')] ?? 1)),
  ])

/** 31 bits of milliseconds are as much as PostgreSQL keeps, and as a timer here takes. */
export const duration = (key: string) =>
  quantity(
    { ms: 1, s: 1000, m: 60_000, h: 3_600_000 },
    'a duration is a number with its unit: 500ms, 30s, 10m, 2h',
  ).refine(ms => ms <= 0x7fffffff, `a ${key} is at most 24 days`)

export function smaller(ours: number | null, theirs: number | null): number | null {
  if (ours === null || theirs === null) return ours ?? theirs
  return Math.min(ours, theirs)
}
