import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Hidden } from './hidden.ts'
import { redactPasswords, redactTokens } from './redact.ts'
import { StreamRedactor } from './redact-stream.ts'

const password = `pst_${'aB3-_'.repeat(8)}xyz`
const header = 'eyJhIjoxfQ'
const jwt = `eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJzdWIiOiJhIn0.${'s'.repeat(86)}`

test('grant passwords and JWTs become marks with their length, and what only resembles them stays', () => {
  assert.equal(redactTokens(`a ${password} b`), 'a [redacted 47] b')
  assert.equal(redactTokens(`Bearer ${jwt}, ok`), `Bearer [redacted ${jwt.length}], ok`)
  for (const same of ['pst_short', 'eyJhbGciOiJ9.x', 'key.value.other', 'eyJ.a.b'])
    assert.equal(redactTokens(same), same)
  // Neither a file's name nor a command's word.
  for (const name of ['eyJhbGciOiJI.first.one', 'eyJhbGciOiJI.secnd.two', 'eyJhbGciOiJI.a.b.c.d'])
    assert.equal(redactTokens(name), name)
})

test('the inside of a SQL password literal goes, in every way to write one, and nothing after it', () => {
  const cases = [
    [
      "ALTER ROLE a PASSWORD 'hunter22' VALID UNTIL 'x'",
      "ALTER ROLE a PASSWORD '[redacted 8]' VALID UNTIL 'x'",
    ],
    [
      "create role a password\n\t'it''s'; drop table t",
      "create role a password\n\t'[redacted 5]'; drop table t",
    ],
    ["alter role a password E'a\\'b'; select 1", "alter role a password E'[redacted 4]'; select 1"],
    [
      "alter role a password 'a\\'; drop table t; --'",
      "alter role a password '[redacted 2]'; drop table t; --'",
    ],
    ['alter role a password $x$se$cret$x$; select 1', 'alter role a password $x$[redacted 7]$x$; select 1'],
    ['alter role a password $$s$$', 'alter role a password $$[redacted 1]$$'],
    [
      "create user mapping for a server s options (user 'u', password 'p4ss')",
      "create user mapping for a server s options (user 'u', password '[redacted 4]')",
    ],
    ["create user a identified by 'p4ss'", "create user a identified by '[redacted 4]'"],
    ["alter role a password/**/'p4ss'", "alter role a password/**/'[redacted 4]'"],
    ["alter role a password -- c\n'p4ss'", "alter role a password -- c\n'[redacted 4]'"],
    ["alter role a password 'open", "alter role a password '[redacted 4]"],
    ["set password = 'p4ss'", "set password = '[redacted 4]'"],
    ["select password, 'kept' from users", "select password, 'kept' from users"],
  ] as const
  for (const [sql, safe] of cases) assert.equal(redactPasswords(sql), safe)
})

test('a lease value goes in each of its forms', () => {
  const hidden = new Hidden()
  const secret = 'p"a\\ss wörd/1\n'
  hidden.hide(secret)
  const value = secret.trimEnd()
  const forms = [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    Buffer.from(value).toString('base64url'),
  ]
  for (const form of forms) assert.match(hidden.redact(`<${form}>`), /^<\[redacted \d+\]>$/)
})

test('the lines of a private key go one by one, whatever their line ends', () => {
  const hidden = new Hidden()
  const body = ['b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ', 'AAAAMwAAAAtzc2gtZWQyNTUxOQAAACD2pSx7Kq0a7A']
  hidden.hide(`-----BEGIN OPENSSH PRIVATE KEY-----\n${body.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`)
  const shown = hidden.redact(body.join('\r\n'))
  for (const line of body) assert.ok(!shown.includes(line))
})

const word = fc.constantFrom(
  'p',
  'ps',
  'pst_',
  'e',
  'eyJ',
  'eyJhbGciOi',
  header,
  'eyJhIjp7',
  'fX0',
  '.',
  'password ',
  "password '",
  "'",
  'lease',
  'leaseva',
  '\r\n',
  ' ',
  'ü',
  'x'.repeat(50),
)
const secretWord = fc.constantFrom(password, jwt, 'leasevalue', 'leasevalue-longer', 'wörtlich')
const pieces = fc.array(
  fc.oneof({ weight: 2, arbitrary: word }, secretWord, fc.string({ unit: 'binary', maxLength: 5 })),
  { maxLength: 12 },
)

test('a stream that is split anywhere gives what the whole would give, and no secret', () => {
  fc.assert(
    fc.property(pieces, fc.array(fc.nat(), { maxLength: 12 }), (words, cuts) => {
      const hidden = new Hidden()
      for (const secret of ['leasevalue', 'leasevalue-longer', 'wörtlich']) hidden.hide(secret)
      const text = Buffer.from(words.join('')).toString('latin1')
      const run = (parts: readonly string[]) => {
        const redactor = new StreamRedactor(hidden)
        return parts.map(part => redactor.push(part)).join('') + redactor.end()
      }
      const at = cuts.map(cut => cut % (text.length + 1)).sort((a, b) => a - b)
      const parts = [...at, text.length].map((to, n) => text.slice(n === 0 ? 0 : at[n - 1], to))
      const out = run(parts)
      assert.equal(out, run([text]))
      assert.equal(run([...text]), out)
      for (const secret of [password, 'leasevalue', Buffer.from('wörtlich').toString('latin1')])
        assert.ok(!out.includes(secret))
    }),
    { numRuns: 500 },
  )
})

test('a stream without secrets comes out as it went in', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary-ascii' })), parts => {
      const hidden = new Hidden()
      hidden.hide('a-value-that-is-not-there')
      const redactor = new StreamRedactor(hidden)
      assert.equal(parts.map(part => redactor.push(part)).join('') + redactor.end(), parts.join(''))
    }),
  )
})

test('a program cannot hide its output behind an open quote, an endless token or base64', () => {
  const hidden = new Hidden()
  const redactor = new StreamRedactor(hidden)
  const evil = "password '\r\nrm -rf /\r\n'"
  assert.equal(redactor.push(evil) + redactor.end(), evil)
  const base64 = `eyJ${'QUFB'.repeat(20_000)}`
  assert.equal(redactor.push(base64) + redactor.end(), base64)
  const dotted = `eyJhbGciOi.${'a'.repeat(30_000)}`
  assert.equal(redactor.push(dotted) + redactor.end(), dotted)
  assert.ok(redactor.push(`${header}.${'a'.repeat(30_000)}`).startsWith('[redacted '))
})

test('texts made to be slow are not', () => {
  const hidden = new Hidden()
  for (const part of [
    'eyJ',
    'eyJa.',
    'pst_',
    "password '",
    'password --',
    'password /*',
    'password $',
    'identified ',
    'password ( ',
    'eyJaaaaa.a.a ',
    `${header}.a.a `,
    `${'eyJhYSI6'.repeat(250)}.a.a `,
    `${'eyJhYSI6'.repeat(8)}.a.a `,
    `${password} `,
  ]) {
    const text = part.repeat(1_000_000 / part.length)
    // Quadratic work on a million characters would not end within the test's time.
    redactTokens(text)
    redactPasswords(text)
    const redactor = new StreamRedactor(hidden)
    for (let at = 0; at < text.length; at += 4096) redactor.push(text.slice(at, at + 4096))
    redactor.end()
  }
})

test('what is not in the rest of a text is looked for once, however much else is found', t => {
  const looks = t.mock.method(String.prototype, 'indexOf').mock
  assert.match(redactTokens(`${header}.a.a `.repeat(1000)), /^(\[redacted 14\] ){1000}$/)
  const passwords = looks.calls.filter(call => call.arguments[0] === 'pst_')
  assert.equal(passwords.length, 1)
})

test('what is held is not gone over again for each byte, and comes out as soon as it is decided', t => {
  const hidden = new Hidden()
  hidden.hide('leasevalue')
  const head = `${header}.${'a'.repeat(2000)}`
  for (const [more, dots] of [
    ['a', ''],
    ['eyJ', ''],
    ['a', '.ab'],
  ] as const) {
    const redactor = new StreamRedactor(hidden)
    assert.equal(redactor.push(head), '')
    const looks = t.mock.method(String.prototype, 'indexOf').mock
    let text = head
    for (; text.length < 20_000; text += more) assert.equal(redactor.push(more), '')
    const times = looks.calls.filter(call => call.arguments[0] === 'pst_').length
    looks.restore()
    assert.ok(times < 100, `${times}`)
    text += dots
    const out = redactor.push(`${dots} `)
    assert.equal(out, dots === '' ? `${text} ` : `[redacted ${text.length}] `)
    assert.equal(redactor.end(), '')
  }
})

test('a long token that is split anywhere is hidden as the whole would be, and what is not one is not', () => {
  const part = fc.constantFrom(`${header}.`, 'a'.repeat(1500), '.', 'eyJ', 'leasevalue', password, ' ', 'b-_')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 14 }), fc.integer({ min: 1, max: 700 }), (parts, size) => {
      const hidden = new Hidden()
      hidden.hide('leasevalue')
      const text = parts.join('')
      const whole = new StreamRedactor(hidden)
      const split = new StreamRedactor(hidden)
      let out = ''
      for (let at = 0; at < text.length; at += size) out += split.push(text.slice(at, at + size))
      assert.equal(out + split.end(), whole.push(text) + whole.end())
    }),
  )
})
