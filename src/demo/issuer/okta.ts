/**
 * The shape of an access token as an Okta custom authorization server issues it, made out of the provider's own.
 *
 * Header: `alg` and `kid` alone, no `typ`. Claims: `ver`, `jti` ("AT."), `cid` for `client_id`, `scp` as an array for
 * `scope`; user flows add `uid`, `auth_time` and the configured groups claim; a service app is in no group and has none.
 */
import type { AccessToken, ClientCredentials } from 'oidc-provider'
import type { Directory } from './directory.ts'

interface Parts {
  header?: Record<string, unknown> | undefined
  payload: Record<string, unknown>
}

export function asOkta(token: AccessToken | ClientCredentials, parts: Parts, directory: Directory): void {
  const { client_id, scope, authorization_details, jti, sub, ...kept } = parts.payload
  const user = token.kind === 'AccessToken' ? directory.users.find(u => u.id === token.accountId) : undefined
  // `typ: undefined` is dropped when the header is serialised: Okta's has none.
  parts.header = { typ: undefined }
  parts.payload = {
    ver: 1,
    jti: `AT.${jti}`,
    ...kept,
    cid: client_id,
    ...(user ? { uid: user.id } : {}),
    scp: typeof scope === 'string' ? scope.split(' ') : [],
    ...(user ? { auth_time: kept['iat'] } : {}),
    sub: user ? user.login : sub,
    ...(user ? { groups: user.groups } : {}),
  }
}
