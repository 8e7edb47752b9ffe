/**
 * Names that operators give or quote: of connections, groups, clients, rules.
 *
 * They reach files, logs, command lines and error texts, so no control character, no invisible edge, no wildcard passes
 * (attacks 186, 203, 218; CVE-2026-35414).
 */
import { z } from 'zod'

/** Connections, issuers and named scopes. Never `g_...`: that is a grant's id, and the underscore is not allowed. */
const namePattern = '^[a-z0-9][a-z0-9-]{0,62}$'
export const nameRule =
  'a name is made of a-z, 0-9 and -, begins with a letter or digit, and has at most 63 characters'
const nameForm = new RegExp(namePattern)
export const name = z.string().regex(nameForm, { error: nameRule }).meta({ pattern: namePattern })

export function isName(text: string): boolean {
  return nameForm.test(text)
}

/** A rule names one connection: a wildcard or a list is a mistake about what a grant is (invariant 2). */
const one =
  'must be the name of one connection; lists and wildcards are not a feature: a grant names exactly one'
export const oneConnection = z
  .string({ error: one })
  .regex(nameForm, { error: one })
  .meta({ pattern: namePattern })

/** Visible text without edges that the eye cannot see. Lone surrogates never match a token's bytes. */
export function isVisible(text: string): boolean {
  return (
    text.length > 0 &&
    text.length <= 256 &&
    text === text.trim() &&
    text.isWellFormed() &&
    !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)
  )
}

const visible = (what: string) =>
  z.string({ error: `must be ${what}` }).refine(isVisible, {
    error: `must be ${what}: 1 to 256 visible characters, no space at either end`,
  })

/** A group of the token, matched byte for byte. Operators who write `sre-*` expect a wildcard: they are told at once. */
export const group = visible('a group').refine(text => !text.includes('*'), {
  error: 'groups match exactly, byte for byte; wildcards are not a feature',
})
export const client = visible("an OAuth client's id").refine(text => !text.includes('*'), {
  error: 'clients match exactly; wildcards are not a feature',
})
export const ruleId = visible("a rule's id")
export const plainText = visible('a text')

/** A list whose entries are all different. */
export function listOf<T extends z.ZodType>(item: T, least = 0) {
  return z
    .array(item)
    .min(least, { error: 'must not be empty' })
    .max(1000, { error: 'has more than 1000 entries' })
    .superRefine((items, at) => {
      for (const [index, entry] of items.entries()) {
        if (items.indexOf(entry) !== index)
          at.addIssue({
            code: 'custom',
            message: 'stands in this list twice',
            path: [index],
            input: undefined,
          })
      }
    })
}
