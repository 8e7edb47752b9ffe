import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AnswerHead, Answers, requestHead, WireError } from './wire.ts'

interface Read {
  heads: AnswerHead[]
  body: string
  ends: number
  free: boolean
  closed?: boolean
}

function read(chunks: readonly Buffer[], method = 'GET', close = false): Read {
  const got: Read = { heads: [], body: '', ends: 0, free: false }
  const answers = new Answers({
    onHead: head => void got.heads.push(head),
    onData: chunk => {
      got.body += chunk.toString('latin1')
    },
    onEnd: () => {
      got.ends += 1
    },
  })
  answers.expect(method)
  for (const chunk of chunks) answers.push(chunk)
  got.free = answers.isFree
  if (close) got.closed = answers.close()
  return got
}
const whole = (text: string) => [Buffer.from(text, 'latin1')]
const bytewise = (text: string) => [...Buffer.from(text, 'latin1')].map(byte => Buffer.from([byte]))
const ok = 'HTTP/1.1 200 OK\r\n'

const good: readonly [string, string, body: string, free: boolean][] = [
  ['a length', `${ok}Content-Length: 5\r\nX: y\r\n\r\nhello`, 'hello', true],
  ['a length twice, the same', `${ok}content-length: 5\r\ncontent-length: 5\r\n\r\nhello`, 'hello', true],
  ['no body', `${ok}content-length: 0\r\n\r\n`, '', true],
  ['no reason', 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n', '', true],
  ['chunks', `${ok}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`, 'abcde', true],
  ['trailers', `${ok}transfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n`, 'a', true],
  ['closing said', `${ok}connection: x, Close\r\ncontent-length: 1\r\n\r\na`, 'a', false],
  ['an older peer', 'HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na', 'a', false],
  ['204', 'HTTP/1.1 204 No Content\r\n\r\n', '', true],
  ['304 with a length', 'HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n', '', true],
  ['103 before', `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${ok}content-length: 1\r\n\r\na`, 'a', true],
]

test('an answer is read the same however it is cut', () => {
  for (const [name, text, body, free] of good) {
    for (const chunks of [whole(text), bytewise(text)]) {
      const got = read(chunks)
      assert.equal(got.body, body, name)
      assert.equal(got.ends, 1, name)
      assert.equal(got.free, free, name)
    }
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), cuts => {
        const at = [0, ...cuts.sort((a, b) => a - b), text.length]
        const bytes = Buffer.from(text, 'latin1')
        const got = read(at.slice(1).map((end, i) => bytes.subarray(at[i], end)))
        assert.deepEqual([got.body, got.ends], [body, 1], name)
      }),
      { numRuns: 50 },
    )
  }
})

test('HEAD has no body whatever it announces, and names are lower case', () => {
  const got = read(whole(`${ok}Content-Length: 5\r\nX-Some:  a b \t\r\n\r\n`), 'HEAD')
  assert.deepEqual(got.heads[0]?.headers, ['content-length', '5', 'x-some', 'a b'])
  assert.deepEqual([got.ends, got.free], [1, true])
})

test('what only closing ends is whole when it closes; anything else is not', () => {
  const got = read(whole(`${ok}\r\nabc`), 'GET', true)
  assert.deepEqual([got.body, got.ends, got.closed, got.free], ['abc', 1, true, false])
  for (const text of [
    '',
    'HTTP/1.1 2',
    `${ok}content-length: 5\r\n\r\nabc`,
    `${ok}transfer-encoding: chunked\r\n\r\n3\r\nabc`,
  ])
    assert.throws(() => read(whole(text), 'GET', true), WireError, text)
})

const bad: readonly [string, string][] = [
  ['both framings', `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`],
  ['two lengths', `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\n`],
  ['lengths in a list', `${ok}content-length: 1, 1\r\n\r\n`],
  ['a signed length', `${ok}content-length: +1\r\n\r\n`],
  ['a hexadecimal length', `${ok}content-length: 0x1\r\n\r\n`],
  ['an endless length', `${ok}content-length: 99999999999999999999\r\n\r\n`],
  ['a negative length', `${ok}content-length: -1\r\n\r\n`],
  ['another coding', `${ok}transfer-encoding: gzip\r\n\r\n`],
  ['two codings', `${ok}transfer-encoding: gzip, chunked\r\n\r\n`],
  ['chunked twice', `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`],
  ['a folded header', `${ok}x: a\r\n b\r\n\r\n`],
  ['a space before the colon', `${ok}content-length : 1\r\n\r\n`],
  ['a header without a name', `${ok}: 1\r\n\r\n`],
  ['a header without a colon', `${ok}abc\r\n\r\n`],
  ['a control character', `${ok}x: a\x01b\r\n\r\n`],
  ['a NUL', `${ok}x: a\0\r\n\r\n`],
  ['a bare CR', `${ok}x: a\rb: c\r\n\r\n`],
  ['a bare LF', `${ok}x: a\nb: c\r\n\r\n`],
  ['no status line', 'x\r\n\r\n'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['status 099', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['no size', `${ok}transfer-encoding: chunked\r\n\r\n\r\n`],
  ['a size with 0x', `${ok}transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n`],
  ['a size that overflows', `${ok}transfer-encoding: chunked\r\n\r\nfffffffff\r\n`],
  ['a size with a space in it', `${ok}transfer-encoding: chunked\r\n\r\n1 1\r\n`],
  ['a chunk longer than its size', `${ok}transfer-encoding: chunked\r\n\r\n1\r\nab\r\n`],
  ['a size ended by LF', `${ok}transfer-encoding: chunked\r\n\r\n1\na\r\n`],
  ['an endless extension', `${ok}transfer-encoding: chunked\r\n\r\n1;${'x'.repeat(5000)}`],
  ['trailers without end', `${ok}transfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(100)}`],
  ['an endless head', `${ok}x: ${'a'.repeat(70_000)}`],
  ['more headers than anybody sends', `${ok}${'x: y\r\n'.repeat(300)}\r\n`],
  ['a second answer', `${ok}content-length: 1\r\n\r\nab`],
  ['a second answer after none', `${ok}content-length: 0\r\n\r\n${ok}`],
  ['a body after 204', 'HTTP/1.1 204 No Content\r\ncontent-length: 1\r\n\r\na'],
]

test('what two readers could frame differently ends the connection (attacks 134, 144)', () => {
  for (const [name, text] of bad) {
    assert.throws(() => read(whole(text)), WireError, name)
    assert.throws(() => read(bytewise(text)), WireError, `${name}, byte by byte`)
  }
})

test('bytes without end or sense are an error or wait for more; nothing else is thrown, nothing grows', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), chunks => {
      try {
        read(chunks.map(chunk => Buffer.from(chunk)))
      } catch (error) {
        assert.ok(error instanceof WireError)
      }
    }),
    { numRuns: 500 },
  )
})

test('after a 101 the rest is not ours', () => {
  const heads: number[] = []
  const answers = new Answers({
    onHead: ({ status }) => void heads.push(status),
    onData: () => assert.fail(),
    onEnd: () => assert.fail(),
  })
  answers.expect('GET')
  const rest = answers.push(
    Buffer.from('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x01a', 'latin1'),
  )
  assert.deepEqual([heads, rest.toString('latin1')], [[101], '\x81\x01a'])
})

test('a head is one head (attack 135)', () => {
  assert.equal(
    requestHead('GET', '/a?b', 'api:1', ['x', 'y'], 'z: 1\r\n'),
    'GET /a?b HTTP/1.1\r\nhost: api:1\r\nx: y\r\nz: 1\r\n\r\n',
  )
  for (const [path, value] of [
    ['/a b', 'y'],
    ['/a\r\nx: y', 'y'],
    ['/\x7f', 'y'],
    ['/', 'y\r\nx: z'],
    ['/', 'y\n'],
    ['/', 'y\0'],
  ] as const)
    assert.throws(() => requestHead('GET', path, 'api', ['x', value], ''), WireError)
})

test('a status above 599 is none', () => {
  const statuses: number[] = []
  const answers = () => {
    const one = new Answers({
      onHead: head => void statuses.push(head.status),
      onData: () => undefined,
      onEnd: () => undefined,
    })
    one.expect('GET')
    return one
  }
  for (const status of [600, 700, 999])
    assert.throws(
      () => answers().push(Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-length: 0\r\n\r\n`)),
      WireError,
    )
  answers().push(Buffer.from('HTTP/1.1 599 X\r\ncontent-length: 0\r\n\r\n'))
  assert.deepEqual(statuses, [599])
})

test('a header line is read as the grammar has it (RFC 9112 section 5), and no other is', () => {
  const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/
  const piece = fc.constantFrom(
    ...['\r', '\n', '\r\n', '\t', ' ', ':', '\xa0', '\x0b', '\0', '\x7f', 'Date', 'x', 'É', '('],
  )
  const line = fc.array(piece, { maxLength: 8 }).map(pieces => pieces.join(''))
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 3 }), lines => {
      const text = `${ok}${lines.join('\r\n')}\r\ncontent-length: 0`
      const wanted = text
        .split('\r\n')
        .slice(1)
        .map(one => field.exec(one))
      const answer = () => read(whole(`${text}\r\n\r\n`)).heads[0]?.headers
      // An empty line ends the head: what follows is no part of it.
      fc.pre(!text.includes('\r\n\r\n'))
      if (wanted.includes(null)) assert.throws(answer, WireError)
      else
        assert.deepEqual(
          answer(),
          wanted.flatMap(one => [one?.[1]?.toLowerCase(), one?.[2]]),
        )
    }),
    { numRuns: 5000 },
  )
})
