/**
 * The actor chain, outermost first (RFC 8693 section 4.1; attack 40). Only the outermost acts now; what an inner actor may
 * do decides nothing, so the rest is for the audit. A chain that is too deep or not of this form is refused, not cut.
 */
import { type Refused, refuse } from '../../denial.ts'
import { isObject, type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'
import { isText } from './text.ts'

const deepest = 8

export function readActors(claims: JsonObject): readonly string[] | Refused {
  const actors: string[] = []
  let act = member(claims, 'act')
  while (act !== undefined) {
    if (!isObject(act)) return refuse('token_malformed', `act is ${shown(act)}`)
    const sub = member(act, 'sub')
    if (!isText(sub)) return refuse('token_malformed', `act.sub is ${shown(sub)}`)
    if (actors.length === deepest) return refuse('token_malformed', `an actor chain deeper than ${deepest}`)
    actors.push(sub)
    act = member(act, 'act')
  }
  return actors
}
