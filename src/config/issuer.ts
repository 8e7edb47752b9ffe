/** `issuers`: whose tokens are accepted, and how narrowly. */
import { z } from 'zod'
import type { Algorithm } from './config.ts'
import { duration } from './duration.ts'
import { isTrustworthy } from './listen.ts'
import { client, group, listOf, plainText } from './names.ts'

const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const satisfies readonly Algorithm[]

const algorithm = z.enum(algorithms, {
  error: ({ input }) =>
    // RFC 8725 section 3.1: with HS* whoever can verify can sign, with none everybody can.
    typeof input === 'string' && /^(none|hs[0-9]{1,3})$/i.test(input)
      ? `${input} can never be listed: tokens must be signed with a private key`
      : undefined,
})

/** What a later version will do is an error now: a key that is read and not obeyed would be a lie. */
export const later = z.never({ error: 'not available yet in this version' }).optional()

const urlForm = 'must be an https:// URL (http:// for loopback alone) without query, fragment or credentials'

/** `iss` is compared byte for byte, so it is kept as it is written. */
const issuerUrl = z
  .string({ error: urlForm })
  .refine(
    text => {
      if (!URL.canParse(text) || /[\s?#@\\]/.test(text)) return false
      return isTrustworthy(new URL(text))
    },
    { error: urlForm },
  )
  .meta({ description: "The issuer's URL, exactly as `iss` has it." })

const oneOrMore = z.union([plainText.transform(text => [text]), listOf(plainText, 1)], {
  error: 'must be an audience or a list of them',
})

export const issuer = z.strictObject({
  issuer: issuerUrl,
  audience: oneOrMore.meta({ description: 'The audience, or a list; a token needs one of them.' }),
  groups_claim: plainText
    .default('groups')
    .meta({ description: 'An exact top-level name wins; else a path.' }),
  client_groups: z.record(client, listOf(group, 1)).default({}).meta({
    description:
      "These clients' groups come from here instead of the claim (Okta service apps are in no group).",
  }),
  algorithms: listOf(algorithm, 1).default(['RS256']),
  clients: listOf(client, 1)
    .optional()
    .meta({ description: "Which agents' OAuth clients may call. Default: any." }),
  dpop: z
    .enum(['never', 'optional'], {
      error: ({ input }) =>
        input === 'required' ? 'required is not available yet in this version' : undefined,
    })
    .default('optional')
    .meta({ description: 'Until DPoP is here, tokens bound to a key are refused either way.' }),
  clock_tolerance: duration('0s', '60s').default(5000),
  introspect: z.literal('never', { error: 'only never is available yet in this version' }).default('never'),
  signals: later,
  client_id: later,
  client_auth: later,
})
