import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../denial.ts'
import { isGrpc, perMessage } from './grpc.ts'
import { Secrets } from './scrub.ts'

const message = (text: string, flag = 0) => {
  const bytes = Buffer.alloc(5 + text.length)
  bytes[0] = flag
  bytes.writeUInt32BE(text.length, 1)
  bytes.write(text, 5, 'latin1')
  return bytes
}
const filter = () => perMessage(new Secrets(['secret-value']).filter())

test('a message leaves whole as soon as it has come, however it begins like the secret', () => {
  const one = filter()
  for (const text of ['s', 'secret-valu', '', 'c', 'a secret-value b'])
    assert.equal(
      one.push(message(text)).toString('latin1'),
      message(text.replace('secret-value', '*'.repeat(12))).toString('latin1'),
    )
})

test('however the bytes are cut', () => {
  const bytes = Buffer.concat([message('x secret-value'), message(''), message('secret-value')])
  const one = filter()
  const out = [...bytes].map(byte => one.push(Buffer.from([byte])))
  assert.equal(
    Buffer.concat([...out, one.end()]).toString('latin1'),
    bytes.toString('latin1').replaceAll('secret-value', '*'.repeat(12)),
  )
})

test('a packed message is refused, and a torn one comes to its end', () => {
  assert.throws(() => filter().push(message('x', 1)), GatewayError)
  const torn = filter()
  assert.equal(torn.push(message('abc').subarray(0, 3)).length, 0)
  assert.equal(torn.end().length, 3)
})

test('what is gRPC', () => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc; x=y'])
    assert.ok(isGrpc(type), type)
  for (const type of ['application/grpc-web', 'application/json', undefined])
    assert.equal(isGrpc(type), false)
})
