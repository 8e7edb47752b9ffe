import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError, Refused } from '../../denial.ts'
import { type Mask, maskAnswer, meetMasks } from './mask.ts'

const json = { 'content-type': 'application/json' }
const through = (
  text: string,
  masks: readonly Mask[],
  headers: Record<string, string> = json,
  status = 200,
) => {
  const filter = maskAnswer(masks, status, headers)
  if (filter instanceof Refused) return filter.denial.code
  try {
    const bytes = Buffer.from(text)
    const out = [...bytes].map(byte => filter.push(Buffer.from([byte])))
    return Buffer.concat([...out, filter.end()]).toString()
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    return error.denial.code
  }
}

test('masked members leave in the form that the scope says', () => {
  const text = '{"items":[{"email":"ann@example.com","id":12345678901234567890,"n":1}],"total":1.0}'
  const at = (form: Mask['with'], path = '$.items[*].email') => through(text, [{ path, with: form }])
  assert.equal(at('full'), text.replace('ann@example.com', '***'))
  assert.equal(at('blank'), text.replace('ann@example.com', ''))
  assert.equal(at('partial'), text.replace('ann@example.com', 'a***@example.com'))
  assert.match(at('hash'), /"email":"[0-9a-f]{32}"/)
  assert.equal(at('hash'), at('hash'))
  assert.equal(at('full', '$.items[*].id'), text.replace('12345678901234567890', 'null'))
  assert.equal(at('partial', '$.items'), '{"items":null,"total":1.0}')
  assert.equal(at('full', '$..email'), text.replace('ann@example.com', '***'))
})

test('equal values of one path look equal, and none can be tried under another', () => {
  const masks = ['$.people[*].email', '$.notes[*].body'].map(path => ({ path, with: 'hash' as const }))
  const text = '{"people":[{"email":"ann"},{"email":"ann"}],"notes":[{"body":"ann"}]}'
  const { people, notes } = JSON.parse(through(text, masks))
  assert.match(people[0].email, /^[0-9a-f]{32}$/)
  assert.equal(people[0].email, people[1].email)
  assert.match(notes[0].body, /^[0-9a-f]{32}$/)
  assert.notEqual(people[0].email, notes[0].body)
})

test('a member that stands there twice leaves once, masked', () => {
  assert.equal(through('{"a":"one","a":"two"}', [{ path: '$.a', with: 'full' }]), '{"a":"***"}')
  assert.equal(through('{"\\u0061":"one"}', [{ path: '$.a', with: 'full' }]), '{"a":"***"}')
})

test('what cannot be looked into is refused', () => {
  const masks: Mask[] = [{ path: '$.a', with: 'full' }]
  for (const [text, headers, status] of [
    ['a,b', { 'content-type': 'text/csv' }],
    ['<a>', { 'content-type': 'text/html' }],
    ['{"a":1}', {}],
    ['{"a":1}', { 'content-type': 'text/plain' }],
    ['{"a":1}', { 'content-type': 'application/x-ndjson' }],
    ['data: {"a":1}', { 'content-type': 'text/event-stream' }],
    ['{"a":1}', { 'content-type': 'application/json; charset=utf-16' }],
    ['{"a":1}', { 'content-type': 'application/json, text/html' }],
    ['{"a":', json],
    ['', json],
    ['{"a":1}{"a":2}', json],
    ['\ufeff{"a":1}', json],
    ['{"a":1}', json, 206],
    ['x', { 'content-length': '0' }],
    ['['.repeat(100_000), json],
  ] as const)
    assert.equal(
      through(text, masks, headers as Record<string, string>, status ?? 200),
      'upstream_refused',
      text.slice(0, 20),
    )
  for (const type of [
    'application/json; charset=utf-8',
    'application/vnd.api+json',
    'Application/JSON;charset="UTF-8"',
  ])
    assert.equal(through('{"a":"b"}', masks, { 'content-type': type }), '{"a":"***"}', type)
  assert.equal(through('', masks, { 'content-length': '0' }), '')
})

test('two lists of masks meet in the stronger of each path, and what shows other things in nothing', () => {
  assert.deepEqual(
    meetMasks(
      [
        { path: '$.a', with: 'partial' },
        { path: '$.b', with: 'full' },
      ],
      [
        { path: '$.a', with: 'hash' },
        { path: '$.b', with: 'blank' },
        { path: '$.c', with: 'partial' },
      ],
    ),
    [
      { path: '$.a', with: 'full' },
      { path: '$.b', with: 'full' },
      { path: '$.c', with: 'partial' },
    ],
  )
})

test('an answer that would keep everybody waiting is refused, in words', () => {
  const refused = (text: string) => {
    const filter = maskAnswer([{ path: '$..email', with: 'full' }], 200, {
      'content-type': 'application/json',
    })
    assert.ok(!(filter instanceof Refused))
    try {
      for (let at = 0; at < text.length; at += 65_536) filter.push(Buffer.from(text.slice(at, at + 65_536)))
      filter.end()
    } catch (error) {
      return (error as GatewayError).denial.say
    }
    return undefined
  }
  const cannot = 'parts of this answer are masked, and it cannot be looked into'
  const ones = `[${'1,'.repeat(3_000_000)}1]`
  assert.equal(refused(ones), `${cannot}: it has more than 250000 values and names`)
  assert.equal(refused(`"${'x'.repeat(9_000_000)}"`), `${cannot}: it has more than 8388608 bytes`)
  assert.equal(refused(`${'['.repeat(600)}${']'.repeat(600)}`), `${cannot}: it is nested more than 500 deep`)
  assert.equal(refused(`"${'x'.repeat(8_000_000)}"`), undefined)
})
