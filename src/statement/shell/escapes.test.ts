import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allowed, escapes, patterns } from './escapes.fixture.ts'
import { matchLine } from './pattern.ts'
import { isPlainName, readScp, readScpLine } from './scp.ts'

test('no line gets out of what the patterns allow (attacks 113, 114, 120)', () => {
  assert.ok(escapes.length >= 120)
  for (const line of escapes) assert.ok(!matchLine(patterns, line).match, JSON.stringify(line))
  for (const line of allowed) assert.ok(matchLine(patterns, line).match, line)
})

test('a list of words matches as its pattern would, with nothing to quote', () => {
  for (const [words, line, match] of [
    [['systemctl', 'status', '*'], 'systemctl status nginx ssh', true],
    [['systemctl', 'status', '*'], 'systemctl status', true],
    [['systemctl', 'status', '*'], 'systemctl status -l', false],
    [['systemctl', 'status', '*'], 'systemctl stop nginx', false],
    [['echo', '$HOME; id'], `echo '$HOME; id'`, true],
    [['echo', '$HOME; id'], 'echo $HOME; id', false],
    [['echo', '$HOME'], 'echo $HOME', false],
    [['echo', '~', '?'], `echo '~' '?'`, true],
    [['echo', '~', '?'], 'echo ~ ?', false],
    [['ls', '-*'], 'ls -la', true],
    [['ls', '*', 'x'], 'ls -la x', false],
    [['cat', '/var/log/**'], 'cat /var/log/a/b', true],
    [['cat', '/var/log/**'], 'cat /var/log/../x', false],
    [['echo', ''], `echo ''`, true],
  ] as const)
    assert.equal(matchLine([words], line).match, match, `${words.join(' ')} and ${line}`)
})

test("scp's legacy command is read as a shell would, and nothing else is", () => {
  assert.deepEqual(readScp(`scp -v -r -p -d -t -- '/a b'`), {
    ...{ way: 'to_host', recursive: true, times: true, directory: true, paths: ['/a b'] },
  })
  assert.deepEqual((readScp('scp -rpf a b') as { paths: unknown }).paths, ['a', 'b'])
  for (const line of [
    'scp a b',
    'scp',
    'xscp -t a',
    '/usr/bin/scp -t a',
    'scpx -t a',
    'scp x -t',
    'scp -S sh -t a',
  ])
    assert.equal(readScp(line), undefined, line)
  for (const line of [
    'scp -t',
    'scp -t a b',
    'scp -t -f a',
    'scp -t -o x a',
    `scp -t ''`,
    'scp -t $(id)',
    'scp -t ~/x',
    'scp -f *',
    'scp -f a;id',
    'scp -f a\nid',
    'scp -f "a',
  ])
    assert.ok('problem' in (readScp(line) ?? {}), line)
})

test('no line of scp, however odd, is anything but read or a problem; no name is a way elsewhere', () => {
  const pieces = fc.constantFrom(
    'C',
    'D',
    'T',
    'E',
    '0644',
    '0',
    ' ',
    '1',
    '/',
    '..',
    'x',
    '\n',
    '\0',
    '\u2028',
    '-',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(pieces).map(all => all.join('')),
      ),
      line => {
        const read = readScpLine(line)
        if ('problem' in read || !('name' in read)) return
        assert.ok(
          isPlainName(read.name) && !/[/\n\0]/.test(read.name) && read.name !== '..' && read.mode <= 0o777,
        )
      },
    ),
    { numRuns: 1000 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), rest => void readScp(`scp ${rest}`)),
    { numRuns: 500 },
  )
})
