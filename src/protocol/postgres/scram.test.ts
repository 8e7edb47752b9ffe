import assert from 'node:assert/strict'
import { test } from 'node:test'
import { verifierOf } from './door.fixture.ts'
import { clientBare, clientFinal, serverFinal, serverFirst } from './scram.ts'

// RFC 7677 section 3.
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const clientNonce = 'rOprNGfwEbeRWgbNEkqO'
const serverNonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const verifier = verifierOf('pencil', salt)

test('the server side agrees with the vector of RFC 7677', () => {
  const step = serverFirst(`n,,n=user,r=${clientNonce}`, verifier, serverNonce)
  assert.equal(step?.message, `r=${clientNonce}${serverNonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)
  assert.ok(step)
  const final = `c=biws,r=${clientNonce}${serverNonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`
  assert.equal(serverFinal(step, final, verifier), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
})

test('both sides understand each other, and the server proves itself', async () => {
  const step = serverFirst(`n,,${clientBare('abcdefghijklmnop')}`, verifier, 'server-part')
  assert.ok(step)
  const final = await clientFinal('pencil', 'abcdefghijklmnop', step.message)
  assert.ok(final)
  assert.equal(serverFinal(step, final.message, verifier), final.expect)
})

test('a proof does not serve twice, nor under another binding, nor with a changed nonce', async () => {
  const step = serverFirst(`n,,${clientBare('abcdefghijklmnop')}`, verifier, 'server-part')
  const again = serverFirst(`n,,${clientBare('abcdefghijklmnop')}`, verifier, 'other-part')
  assert.ok(step && again)
  const final = await clientFinal('pencil', 'abcdefghijklmnop', step.message)
  assert.ok(final)
  assert.equal(serverFinal(again, final.message, verifier), null)
  assert.equal(serverFinal({ ...step, binding: 'eSws' }, final.message, verifier), null)
  assert.equal(serverFinal(step, final.message.replace('c=biws', 'c=eSws'), verifier), null)
  assert.equal(serverFinal(step, final.message.replace('server-part', 'server-pard'), verifier), null)
  assert.equal(
    serverFinal(step, final.message.replace(/p=.*/, `p=${Buffer.alloc(32).toString('base64')}`), verifier),
    null,
  )
})

test('the client side refuses rounds that are too few or too many, and a nonce that is not its own', async () => {
  const challenge = (rounds: string, nonce = 'abcdefghijklmnopXYZ') =>
    `r=${nonce},s=${salt.toString('base64')},i=${rounds}`
  for (const rounds of ['1', '4095', '600001', '99999999999', '0x1000', '-1', '']) {
    assert.equal(await clientFinal('pencil', 'abcdefghijklmnop', challenge(rounds)), null, rounds)
  }
  assert.equal(
    await clientFinal('pencil', 'abcdefghijklmnop', challenge('4096', 'zzzzzzzzzzzzzzzzzzz')),
    null,
  )
  assert.equal(await clientFinal('pencil', 'abcdefghijklmnop', challenge('4096', 'abcdefghijklmnop')), null)
  assert.notEqual(await clientFinal('pencil', 'abcdefghijklmnop', challenge('4096')), null)
})
