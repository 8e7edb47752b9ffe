import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Code, Refused, refuse } from '../denial.ts'
import { readAuthorization } from './authorization.ts'
import { wwwAuthenticate } from './wwwAuthenticate.ts'

const code = (...headers: string[]): Code | undefined => {
  const read = readAuthorization(headers)
  return read instanceof Refused ? read.denial.code : undefined
}

test('one header, one scheme in any case, one token', () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER'])
    assert.deepEqual(readAuthorization([`${scheme} a.b.c`]), { token: 'a.b.c', scheme: 'bearer' })
  for (const scheme of ['DPoP', 'dpop'])
    assert.deepEqual(readAuthorization([`${scheme} a.b.c`]), { token: 'a.b.c', scheme: 'dpop' })
  assert.deepEqual(readAuthorization(['Bearer   a.b.c']), { token: 'a.b.c', scheme: 'bearer' })
})

test('nothing, another scheme or no token is a missing token', () => {
  assert.equal(code(), 'token_missing')
  for (const header of [
    '',
    'Basic dTpw',
    'Bearer',
    'Bearer ',
    'DPoP',
    'eyJ.a.b',
    'Bearers a',
    'Negotiate a, Bearer b',
  ])
    assert.equal(code(header), 'token_missing', header)
})

test('attack 35: two headers, two tokens, tabs and newlines are refused', () => {
  assert.equal(code('Bearer a', 'Bearer a'), 'request_invalid')
  assert.equal(code('Bearer a', ''), 'request_invalid')
  for (const header of [
    'Bearer a, Bearer b',
    'Bearer a,b',
    'Bearer a b',
    'Bearer\ta',
    'Bearer a\tb',
    'Bearer a\n',
    'Bearer a\r\nX: y',
    'Bearer a\u00a0b',
    'Bearer,a',
  ]) {
    assert.equal(code(header), 'request_invalid', JSON.stringify(header))
  }
})

const metadata = new URL('https://postern.example/.well-known/oauth-protected-resource')

test('a request without a token is told how, not that it erred', () => {
  assert.equal(
    wwwAuthenticate(refuse('token_missing', 'x').denial, metadata),
    `Bearer realm="postern", resource_metadata="${metadata}"`,
  )
})

test("the error is RFC 6750's, and the description what the caller may read", () => {
  const challenge = wwwAuthenticate(
    refuse('token_audience', 'the whole reason', { say: 'say' }).denial,
    metadata,
  )
  assert.equal(
    challenge,
    `Bearer realm="postern", error="invalid_token", error_description="say", resource_metadata="${metadata}"`,
  )
  assert.match(
    wwwAuthenticate(refuse('not_permitted', 'x').denial, metadata),
    /^Bearer .*error="insufficient_scope"/,
  )
  assert.match(
    wwwAuthenticate(refuse('dpop_invalid', 'x').denial, metadata),
    /^DPoP .*error="invalid_dpop_proof"/,
  )
  assert.match(
    wwwAuthenticate(refuse('dpop_required', 'x').denial, metadata),
    /^DPoP .*error="invalid_token"/,
  )
})

test('no text can leave its quotes or its line', () => {
  const hostile = refuse('token_client', 'x', { say: 'a"b\\c\r\nSet-Cookie: d=\u202e1\0' }).denial
  const challenge = wwwAuthenticate(hostile, metadata)
  assert.match(challenge, /^[\x20-\x7e]*$/)
  assert.equal(challenge.match(/"/g)?.length, 8)
})
