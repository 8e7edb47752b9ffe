/**
 * The groups: an array of strings at the configured claim, or what `client_groups` says for a client whose tokens can have
 * none. Missing, cut or of another form is refused with its own code and never read as "no groups" (attacks 16-21).
 * Each name is kept byte for byte: no trimming, no case folding, no normalising (attack 19).
 */
import type { IssuerConfig } from '../../config/config.ts'
import { type Refused, refuse } from '../../denial.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'
import { isText } from './text.ts'

const most = 1_000

export function readGroups(
  claims: JsonObject,
  client: string,
  config: Pick<IssuerConfig, 'groupsClaim' | 'clientGroups'>,
): readonly string[] | Refused {
  const mapped = config.clientGroups.get(client)
  if (mapped !== undefined) return mapped
  const moved = overage(claims, config.groupsClaim)
  if (moved !== undefined) {
    return refuse(
      'groups_missing',
      `${moved}: the issuer left the groups out because there are too many; filter the claim`,
      {
        say: `the access token names too many groups to carry them (${moved}): the issuer's groups claim needs a filter`,
      },
    )
  }
  const value = claimAt(claims, config.groupsClaim)
  if (value === undefined) return missing(client, config.groupsClaim, 'absent')
  if (!Array.isArray(value)) return missing(client, config.groupsClaim, `${shown(value)}, not a list`)
  if (value.length > most)
    return missing(client, config.groupsClaim, `a list of ${value.length}, more than ${most}`)
  const odd = value.find(group => !isText(group))
  if (odd !== undefined) return missing(client, config.groupsClaim, `a list with ${shown(odd)} in it`)
  return value as readonly string[]
}

/**
 * An exact top-level name wins, dots and all. Else the longest top-level name that the path begins with, and so on down:
 * one reading for every token, so a profile attribute cannot be aimed at (attack 21).
 */
function claimAt(object: JsonObject, path: string): unknown {
  if (Object.hasOwn(object, path)) return member(object, path)
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot)
    if (!Object.hasOwn(object, name)) continue
    const inner = member(object, name)
    return isObject(inner) ? claimAt(inner, path.slice(dot + 1)) : undefined
  }
  return undefined
}

/** Entra's marks for groups that did not fit (attack 18): a part of the groups is not a partial yes. */
function overage(claims: JsonObject, claim: string): string | undefined {
  const elsewhere = member(claims, '_claim_names')
  if (isObject(elsewhere) && (Object.hasOwn(elsewhere, claim) || Object.hasOwn(elsewhere, 'groups')))
    return '_claim_names'
  const has = member(claims, 'hasgroups')
  return has !== undefined && has !== false ? 'hasgroups' : undefined
}

/** The message that decides whether people stay: who, why, and the line to add. */
function missing(client: string, claim: string, seen: string): Refused {
  const line = `client_groups: { ${/^[A-Za-z0-9_-]+$/.test(client) ? client : JSON.stringify(client)}: [<group>] }`
  return refuse('groups_missing', `claim ${shown(claim)} of client ${shown(client)} is ${seen}`, {
    say:
      `the access token of client ${client} has no list of groups in its claim '${claim}'. A service app (client credentials) ` +
      `is in no Okta group: an operator adds, under its issuer in postern.yaml, ${line}. For a person's client, add a groups ` +
      `claim with a filter to the authorization server's access tokens (docs/okta.md)`,
  })
}
