import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { answerHeaders } from './answer.ts'
import { locationFor } from './location.ts'
import { inTurn, Secrets } from './scrub.ts'

const secret = 'sk-0123456789abcdef'
const target = new URL('https://api.internal:8443/v1')
const place = { at: '/v1/orders/1?x', target, base: '/v1', door: '/c/api' }

test('Location leads through the door, or away without credentials, or nowhere (attack 140)', () => {
  const table: [string, string | undefined][] = [
    ['/v1/a?b#c', '/c/api/a?b#c'],
    ['/v1', '/c/api'],
    ['2', '/c/api/orders/2'],
    ['../x', '/c/api/x'],
    ['?y=1', '/c/api/orders/1?y=1'],
    ['https://api.internal:8443/v1/z', '/c/api/z'],
    ['HTTPS://API.INTERNAL:8443/v1/z', '/c/api/z'],
    ['/v1x/a', 'https://api.internal:8443/v1x/a'],
    ['/', 'https://api.internal:8443/'],
    ['/v1/../admin', 'https://api.internal:8443/admin'],
    ['http://api.internal:8443/v1/z', 'http://api.internal:8443/v1/z'],
    ['https://user:pass@evil.example/v1/', 'https://evil.example/v1/'],
    ['//evil.example/v1/a', 'https://evil.example/v1/a'],
    ['\\\\evil.example/a', 'https://evil.example/a'],
    ['javascript:alert(1)', undefined],
    ['data:text/html,x', undefined],
    ['https://', undefined],
  ]
  for (const [value, to] of table) assert.equal(locationFor(value, place), to, value)
})

test('the answer keeps what is the resource and drops what is the hop, the session or the origin', () => {
  const headers = [
    ...['content-type', 'text/html'],
    ...['etag', '"1"'],
    ...['content-length', '5'],
    ...['set-cookie', 'a=1', 'set-cookie', 'b=2'],
    ...['www-authenticate', 'Basic realm="infra"'],
    ...['connection', 'keep-alive'],
    ...['transfer-encoding', 'chunked'],
    ...['access-control-allow-origin', '*'],
    ...['content-security-policy', 'default-src *'],
    ...['service-worker-allowed', '/'],
    ...['clear-site-data', '"*"'],
    ...['refresh', '0; url=/'],
    ...['x-accel-redirect', '/secret'],
    ...['location', '/v1/next'],
    ...['x-echo', `Bearer ${secret}`],
  ]
  const how = { place, secrets: new Secrets([secret]), isChanged: false }
  const out = answerHeaders(headers, how)
  assert.deepEqual(out, [
    ...['content-security-policy', 'sandbox', 'x-content-type-options', 'nosniff'],
    ...['content-type', 'text/html', 'etag', '"1"', 'content-length', '5', 'location', '/c/api/next'],
    ...['x-echo', `Bearer ${'*'.repeat(secret.length)}`],
  ])
  const changed = answerHeaders(headers, { ...how, isChanged: true })
  for (const name of ['content-length', 'etag']) assert.ok(!changed.includes(name), name)
})

const pieces = (text: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map(cut => cut % (text.length + 1)))].sort((a, b) => a - b)
  return [...at, text.length].map((end, i) => text.subarray(at[i - 1] ?? 0, end))
}
const through = (chunks: readonly Buffer[], values: readonly string[] = [secret]): string => {
  const filter = new Secrets(values).filter()
  return Buffer.concat([...chunks.map(chunk => filter.push(chunk)), filter.end()]).toString('latin1')
}

test('a secret is found in every form and wherever it is split, and nothing else changes (attack 141)', () => {
  const forms = [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    encodeURIComponent(secret),
  ]
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.constantFrom(...forms), fc.constantFrom('sk-', 'sk-0123', 'x', '=', '0123456789abcdef')),
        { maxLength: 6 },
      ),
      fc.array(fc.nat(), { maxLength: 12 }),
      (parts, cuts) => {
        const text = Buffer.from(parts.join('|'))
        const out = through(pieces(text, cuts))
        const want = parts.map(part => (forms.includes(part) ? '*'.repeat(part.length) : part)).join('|')
        assert.equal(out, want)
      },
    ),
    { numRuns: 2000 },
  )
})

test('bytes that hold no secret pass as they are, uncopied', () => {
  const filter = new Secrets([secret]).filter()
  const bytes = Buffer.from([0, 255, 128, 10, 13])
  assert.equal(filter.push(bytes), bytes)
  assert.equal(through([Buffer.from('abc')], []), 'abc')
})

test('what may be the beginning of a secret is held until it is known', () => {
  const filter = new Secrets([secret]).filter()
  assert.equal(filter.push(Buffer.from('a sk-01')).toString(), 'a ')
  assert.equal(filter.push(Buffer.from('!')).toString(), 'sk-01!')
  assert.equal(filter.push(Buffer.from('sk-')).toString(), '')
  assert.equal(filter.end().toString(), 'sk-')
})

test('filters in turn: what one lets go last, the other still sees', () => {
  const upper = {
    push: (chunk: Buffer) => Buffer.from(chunk.toString().toUpperCase()),
    end: () => Buffer.from('.'),
  }
  const both = inTurn(new Secrets([secret]).filter(), upper)
  assert.equal(Buffer.concat([both.push(Buffer.from('x sk-')), both.end()]).toString(), 'X SK-.')
})
