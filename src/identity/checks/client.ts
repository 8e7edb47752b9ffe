/**
 * The OAuth client a token was issued to: Okta's `cid`, RFC 9068's `client_id` or OpenID's `azp`. Where there are several
 * they must agree, and where the configuration lists clients it must be one of them (attack 15).
 */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'
import { isText } from './text.ts'

const names = ['cid', 'client_id', 'azp'] as const

export function readClient(claims: JsonObject): string | Refused {
  const present = names.filter(name => Object.hasOwn(claims, name))
  const [first] = present
  if (first === undefined) return refuse('token_client', 'no cid, client_id or azp', unnamed)
  const client = member(claims, first)
  if (!isText(client)) return refuse('token_client', `${first} is ${shown(client)}`, unnamed)
  const other = present.find(name => member(claims, name) !== client)
  if (other !== undefined) {
    return refuse(
      'token_client',
      `${first} ${shown(client)} and ${other} ${shown(member(claims, other))} disagree`,
    )
  }
  return client
}

/** `people` are clients that people log in with: they need no place in the issuer's list of agents' clients. */
export function checkClient(
  client: string,
  clients: readonly string[] | undefined,
  people: readonly string[],
): Refused | undefined {
  if (clients === undefined || clients.includes(client) || people.includes(client)) return undefined
  return refuse(
    'token_client',
    `client ${shown(client)} is in neither the issuer's clients nor people.clients`,
    {
      say: `the client ${client} is not accepted here: an operator must add it to the issuer's clients`,
    },
  )
}

const unnamed = { say: 'the access token does not say which client it was issued to (cid, client_id or azp)' }
