import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eksToken } from './eks.ts'

const at = Date.UTC(2026, 10, 29, 0, 30, 0)
const key = {
  keyId: 'AKIDEXAMPLE',
  secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'eu-west-1',
  cluster: 'prod',
}
const urlOf = (token: string) =>
  new URL(Buffer.from(token.slice('k8s-aws-v1.'.length), 'base64url').toString())

test('the tokens are those of botocore 1.44.8, signed as awscli signs them', () => {
  const signatures: readonly [Partial<Parameters<typeof eksToken>[0]>, host: string, signature: string][] = [
    [{}, 'sts.eu-west-1.amazonaws.com', '3e607341edd2e56e646b221156f1feeb62cdc268fdedf65419e8d55d09a0e54b'],
    [
      { region: 'us-east-1', cluster: 'a-b_1', sessionToken: 'IQoJb3+/==' },
      'sts.us-east-1.amazonaws.com',
      'e5fabc70e8ff0fbd8981f3a8d5e6f9925553bcae823cc5290181d65b7782dc84',
    ],
    [
      { region: 'cn-north-1' },
      'sts.cn-north-1.amazonaws.com.cn',
      '03e56fcdb6b17cdc40403b7d3650658b3c00c495e31723e674e1dcc371284718',
    ],
  ]
  for (const [more, host, signature] of signatures) {
    const url = urlOf(eksToken({ ...key, ...more }, at))
    assert.equal(url.host, host)
    assert.equal(url.searchParams.get('X-Amz-Signature'), signature)
  }
  const whole =
    'k8s-aws-v1.aHR0cHM6Ly9zdHMuZXUtd2VzdC0xLmFtYXpvbmF3cy5jb20vP0FjdGlvbj1HZXRDYWxsZXJJZGVudGl0eSZWZXJzaW9uPTIwMTEtMDYtMTUmWC1BbXotQWxnb3JpdGhtPUFXUzQtSE1BQy1TSEEyNTYmWC1BbXotQ3JlZGVudGlhbD1BS0lERVhBTVBMRSUyRjIwMjYxMTI5JTJGZXUtd2VzdC0xJTJGc3RzJTJGYXdzNF9yZXF1ZXN0JlgtQW16LURhdGU9MjAyNjExMjlUMDAzMDAwWiZYLUFtei1FeHBpcmVzPTYwJlgtQW16LVNpZ25lZEhlYWRlcnM9aG9zdCUzQngtazhzLWF3cy1pZCZYLUFtei1TaWduYXR1cmU9M2U2MDczNDFlZGQyZTU2ZTY0NmIyMjExNTZmMWZlZWI2MmNkYzI2OGZkZWRmNjU0MTllOGQ1NWQwOWEwZTU0Yg'
  assert.equal(eksToken(key, at), whole)
})

test("another cluster's, another time's and another key's token are others", () => {
  const signature = (token: string) => urlOf(token).searchParams.get('X-Amz-Signature')
  const others = [
    eksToken(key, at),
    eksToken({ ...key, cluster: 'other' }, at),
    eksToken({ ...key, region: 'us-east-1' }, at),
    eksToken({ ...key, secret: 'another' }, at),
    eksToken({ ...key, sessionToken: 's' }, at),
    eksToken(key, at + 1000),
  ]
  assert.equal(new Set(others.map(signature)).size, others.length)
  assert.ok(others.every(one => !one.includes('=') && !urlOf(one).href.includes(key.secret)))
})
