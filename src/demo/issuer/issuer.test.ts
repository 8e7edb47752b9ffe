import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { clients, type Issuer, startIssuer } from './issuer.ts'

let okta: Issuer
before(async () => {
  okta = await startIssuer()
})
after(() => okta.stop())

async function verified(token: string): Promise<Record<string, unknown>> {
  const discovery = (await (await fetch(`${okta.issuer}/.well-known/openid-configuration`)).json()) as Record<
    string,
    string
  >
  assert.equal(discovery['issuer'], okta.issuer)
  assert.equal(discovery['jwks_uri'], `${okta.issuer}/v1/keys`)
  assert.equal(discovery['token_endpoint'], `${okta.issuer}/v1/token`)
  const keys = createRemoteJWKSet(new URL(discovery['jwks_uri'] ?? ''))
  return (
    await jwtVerify(token, keys, { issuer: okta.issuer, audience: okta.audience, algorithms: ['RS256'] })
  ).payload
}

test('a service app gets a token by client credentials that names its client and carries no groups', async () => {
  const token = await okta.serviceToken(clients.sreBot)
  assert.deepEqual(Object.keys(decodeProtectedHeader(token)).sort(), ['alg', 'kid'])
  const claims = await verified(token)
  assert.deepEqual(Object.keys(claims).sort(), [
    'aud',
    'cid',
    'exp',
    'iat',
    'iss',
    'jti',
    'scp',
    'sub',
    'ver',
  ])
  assert.equal(claims['cid'], clients.sreBot)
  assert.equal(claims['sub'], clients.sreBot)
  assert.equal(claims['ver'], 1)
  assert.equal(claims['aud'], 'api://postern')
  assert.match(String(claims['jti']), /^AT\../)
  assert.deepEqual(claims['scp'], ['postern'])
})

test('an app that acts for a user gets a token by the device flow with the user in it and the groups claim', async () => {
  const token = await okta.userToken(clients.analystBot, 'ada@example.com')
  assert.deepEqual(Object.keys(decodeProtectedHeader(token)).sort(), ['alg', 'kid'])
  const claims = await verified(token)
  assert.deepEqual(claims['groups'], ['analyst-agents'])
  assert.equal(claims['sub'], 'ada@example.com')
  assert.match(String(claims['uid']), /^00u/)
  assert.equal(claims['cid'], clients.analystBot)
})

test('a wrong client secret gets no token', async () => {
  const response = await fetch(`${okta.issuer}/v1/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'postern' }),
    headers: { authorization: `Basic ${Buffer.from(`${clients.sreBot}:guess`).toString('base64')}` },
  })
  assert.equal(response.status, 401)
})

test('a wrong password approves nothing', async () => {
  const login = await fetch(`${okta.issuer}/login/nothing`, {
    method: 'POST',
    body: new URLSearchParams({ login: 'ada@example.com', password: 'guess' }),
  })
  assert.equal(login.status, 401)
})
