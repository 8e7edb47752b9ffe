import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionIn, readTarget } from './target.ts'

test('only /c/<connection> names a connection, in one spelling', () => {
  assert.equal(connectionIn('/c/billing-api/v1/x?y=1'), 'billing-api')
  assert.equal(connectionIn('/c/billing-api'), 'billing-api')
  assert.equal(connectionIn('/c/billing-api?x'), 'billing-api')
  for (const other of [
    '/c/',
    '/c',
    '/C/x/',
    '//c/x/',
    '/./c/x/',
    '/%63/x/',
    '/c/X/',
    '/c/a%2db/',
    '/c/../v1',
    'http://h/c/x/',
    '*',
    '/c/x#y',
    '/c/a.b/',
    `/c/${'a'.repeat(65)}/`,
  ])
    assert.equal(connectionIn(other), undefined, other)
})

test('the path below the connection is in its one form, the query as it came', () => {
  assert.deepEqual(readTarget('/c/api'), { path: '/', query: undefined, names: [] })
  assert.deepEqual(readTarget('/c/api?'), { path: '/', query: '', names: [] })
  assert.deepEqual(readTarget('/c/api/a/%2e%2e/b?x=%2F&y[]=1&z'), {
    path: '/b',
    query: 'x=%2F&y[]=1&z',
    names: ['x', 'y[]', 'z'],
  })
  assert.deepEqual(readTarget('/c/api/?%61=1&a+b=2&=3&&q=?'), {
    path: '/',
    query: '%61=1&a+b=2&=3&&q=?',
    names: ['a', 'a b', '', 'q'],
  })
})

test('what cannot be read is refused, in path and query', () => {
  for (const target of [
    '/c/api/../other/x',
    '/c/api/x#y',
    '/c/api/?x#y',
    '/c/api/?a=%zz',
    '/c/api/?%zz=1',
    '/c/api/?a=1;b=2',
    '/c/api/?a%00=1',
    '/c/api/?a=%c0%af',
    '/c/api/?a=\u00e9',
    '/c/api/?a=b c',
    '/c/api/?a\tb',
    `/c/api/?${'a&'.repeat(600)}`,
    `/c/api/?${'a'.repeat(9000)}`,
  ])
    assert.ok('unreadable' in readTarget(target), target.slice(0, 60))
})
