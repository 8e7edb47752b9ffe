import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { decodeProtectedHeader, jwtVerify } from 'jose'
import { Refused } from '../../denial.ts'
import { asGoogleAccount, type GoogleKey, readGoogleKey } from './gke.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const file = {
  type: 'service_account',
  project_id: 'p',
  private_key_id: 'k1',
  private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  client_email: 'postern@p.iam.gserviceaccount.com',
  client_id: '1',
  token_uri: 'https://oauth2.googleapis.com/token',
}
const read = (more: object = {}) => readGoogleKey(JSON.stringify({ ...file, ...more }))

test('what is asked is what Google documents: an assertion for its own endpoint, for five minutes', async () => {
  const now = Date.UTC(2026, 10, 29)
  const question = await asGoogleAccount(read() as GoogleKey, now)
  assert.ok(!(question instanceof Refused))
  const { grant_type, assertion = '' } = question.form
  assert.equal(grant_type, 'urn:ietf:params:oauth:grant-type:jwt-bearer')
  assert.deepEqual(decodeProtectedHeader(assertion), { alg: 'RS256', typ: 'JWT', kid: 'k1' })
  const { payload } = await jwtVerify(assertion, publicKey, { currentDate: new Date(now) })
  assert.deepEqual(payload, {
    scope: 'https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email',
    iss: file.client_email,
    aud: file.token_uri,
    iat: now / 1000,
    exp: now / 1000 + 300,
  })
})

test('what is no key file is refused without a word of it', async () => {
  const wrong: readonly unknown[] = [
    readGoogleKey(''),
    readGoogleKey('[]'),
    read({ type: 'authorized_user' }),
    read({ private_key: undefined }),
    read({ client_email: 'a b' }),
    read({ token_uri: 'ftp://x' }),
    read({ token_uri: 'https://user:pw@x/' }),
    await asGoogleAccount(read({ private_key: 'not a key' }) as GoogleKey, 0),
    await asGoogleAccount(read({ private_key: file.private_key.toString().slice(0, 300) }) as GoogleKey, 0),
  ]
  for (const one of wrong) {
    assert.ok(one instanceof Refused)
    assert.ok(!JSON.stringify(one.denial).includes('PRIVATE'))
  }
})
