/** Who: `sub`, and Okta's immutable `uid` where there is one (STANDARDS.md section 1: `sub` can be edited, `uid` cannot). */
import { type Refused, refuse } from '../../denial.ts'
import { type JsonObject, member } from '../json.ts'
import { shown } from '../shown.ts'
import { isText } from './text.ts'

export interface Subject {
  readonly subject: string
  readonly uid?: string
  readonly tokenId?: string
}

export function readSubject(claims: JsonObject): Subject | Refused {
  const subject = member(claims, 'sub')
  if (!isText(subject)) return refuse('token_malformed', `sub is ${shown(subject)}`)
  const uid = member(claims, 'uid')
  if (uid !== undefined && !isText(uid)) return refuse('token_malformed', `uid is ${shown(uid)}`)
  const tokenId = member(claims, 'jti')
  if (tokenId !== undefined && !isText(tokenId)) return refuse('token_malformed', `jti is ${shown(tokenId)}`)
  return { subject, ...(uid !== undefined && { uid }), ...(tokenId !== undefined && { tokenId }) }
}
