import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Taken, Unfit } from '../unfit.ts'
import { cannotListen } from './cannot-listen.ts'

const failed = (code: string) => Object.assign(new Error('listen'), { code })

test('a port that cannot be opened is named by its key, with what to do', () => {
  const at = { host: '::1', port: 80 }
  const taken = cannotListen('ssh', at, failed('EADDRINUSE'))
  assert.ok(taken instanceof Taken)
  assert.equal(taken.message, 'listen.ssh [::1]:80: another program has this port')
  for (const [code, words] of [
    ['EADDRNOTAVAIL', /no such address/],
    ['ENOTFOUND', /the name ::1 is not known/],
    ['EACCES', /may not open/],
  ] as const) {
    const error = cannotListen('http', at, failed(code))
    assert.ok(error instanceof Unfit && !(error instanceof Taken))
    assert.match(error.message, words)
  }
})

test('any other failure stays what it is', () => {
  const error = new TypeError('a defect')
  assert.equal(cannotListen('http', { host: '127.0.0.1', port: 1 }, error), error)
})
