import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Line } from '../ledger/walk.ts'
import { recordText } from './recorded.ts'

const line = (type: string, rest: object): Line =>
  ({ seq: 3, time: '2026-03-01T12:00:05.120Z', prev: '0', type, ...rest }) as unknown as Line

test('a refused statement says why', () => {
  const text = 'select *\n\tfrom secrets'
  const refused = {
    kind: 'select',
    text,
    verdict: 'refused',
    reason: 'statement_refused',
    detail: 'public.secrets is not in tables',
  }
  assert.equal(
    recordText(line('statement', refused)),
    '12:00:05.120 statement 3 select: select *\n    | \tfrom secrets\n    REFUSED statement_refused: public.secrets is not in tables',
  )
})

test('no line of a statement or of its parameters passes for the verdict', () => {
  const ran = {
    kind: 'select',
    text: 'select 1 --\n    REFUSED statement_refused: no',
    parameters: 'a\n    REFUSED statement_refused: no',
  }
  for (const one of recordText(line('statement', ran)).split('\n')) assert.doesNotMatch(one, /^\s*REFUSED/)
})

test('the first line says who and what for; the scope has one of its own', () => {
  const open = {
    session: 's_1',
    grant: 'g_1',
    identity: { issuer: 'okta', subject: 'ada', client: '0oa', groups: ['sre'], tokenDigest: 'abc' },
    connection: 'web-1',
    protocol: 'ssh',
    scope: { exec: ['*'], forward: [], sftp: null, pty: false },
    reason: 'why\u001b[2J',
  }
  assert.equal(
    recordText(line('open', open)),
    [
      '12:00:05.120 open session=s_1 connection=web-1 protocol=ssh grant=g_1 subject=ada client=0oa groups=["sre"]',
      '    scope={"exec":["*"],"pty":false}',
      '    reason=why\\u001b[2J',
    ].join('\n'),
  )
})

test('a list that is empty is one', () => {
  assert.equal(
    recordText(line('close', { why: 'client_closed', casts: [] })),
    '12:00:05.120 close why=client_closed casts=[]',
  )
})

test('output stands in its own lines, and acts on nobody', () => {
  const output = {
    of: 2,
    what: 'exec',
    from: 'stdout',
    bytes: 20,
    digest: 'ab',
    data: 'a\r\nb\u001b[2J\tc\n',
  }
  assert.equal(
    recordText(line('output', output)),
    '12:00:05.120 output of=2 what=exec from=stdout bytes=20\n    a\n    b\\u001b[2J\tc',
  )
  assert.match(recordText(line('output', { of: 2, bytes: 20, digest: 'ab' })), /digest=ab$/)
})

test('parameters are shown, short ones beside their statement, long ones as the input that they are', () => {
  const short = {
    kind: 'select',
    text: 'select $1',
    verdict: 'allow',
    parameters: 'AA==',
    parameters_encoding: 'base64',
  }
  assert.match(recordText(line('statement', short)), /\n {4}parameters \(base64\): AA==$/)
  const long = { of: 2, what: 'parameters', from: 'stdin', bytes: 9000, digest: 'ab', data: 'long' }
  assert.match(recordText(line('input', long)), /input of=2 what=parameters from=stdin bytes=9000\n {4}long$/)
})
