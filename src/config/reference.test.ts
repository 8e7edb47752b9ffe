import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filePath, secretRef } from './reference.ts'
import { SecretRef } from './secret.ts'

test('a reference to a variable or a file becomes a SecretRef that names it', () => {
  for (const ref of ['env:ORDERS_PASSWORD', 'env:_x1', 'file:/etc/postern/web-1.key']) {
    const parsed = secretRef.parse(ref)
    assert.ok(parsed instanceof SecretRef)
    assert.equal(parsed.ref, ref)
  }
})

test('a file reference gives its absolute path', () => {
  assert.equal(filePath.parse('file:/etc/ca.pem'), '/etc/ca.pem')
})

const refused: readonly (readonly [input: unknown, message: RegExp])[] = [
  ['hunter2-the-secret', /never written here/],
  ['', /never written here/],
  ['ENV:hunter2', /never written here/],
  [' env:hunter2', /never written here/],
  ['env:', /name of an environment variable/],
  ['env:hunter2 x', /name of an environment variable/],
  ['env:hunter2\n', /name of an environment variable/],
  ['file:', /needs a path/],
  ['file:hunter2', /not absolute/],
  ['file:/a\0hunter2', /not a path/],
  ['vault:hunter2', /vault: references are not available yet/],
  ['aws-sm:hunter2', /aws-sm: references are not available yet/],
  [20_11, /a secret is a reference/],
  [null, /a secret is a reference/],
  [['env:A'], /a secret is a reference/],
]

for (const [input, message] of refused) {
  test(`a secret given as ${JSON.stringify(input)} is refused and not printed`, () => {
    const { success, error } = secretRef.safeParse(input)
    assert.equal(success, false)
    assert.match(error?.issues[0]?.message ?? '', message)
    assert.doesNotMatch(JSON.stringify(error) + String(error), /hunter2/, 'attack 204')
  })
}

test('a path that is no file reference is refused and not printed', () => {
  for (const input of ['/etc/hunter2', 'env:hunter2', 'hunter2', 7]) {
    const { success, error } = filePath.safeParse(input)
    assert.equal(success, false)
    assert.doesNotMatch(JSON.stringify(error), /hunter2/)
  }
})
