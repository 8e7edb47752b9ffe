// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are shell's own variables
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { equalsShell } from './equal.ts'
import { readLine, wordText } from './line.ts'
import { matchLine, patternProblem } from './pattern.ts'
import { looksLikeScp } from './scp.ts'

const allows = (pattern: string, line: string) => matchLine([pattern], line).match

test('a pattern matches word by word, as the shell would read the line', () => {
  for (const [pattern, line] of [
    ['uptime', 'uptime'],
    ['uptime', 'uptime  '],
    ['ls *', 'ls'],
    ['ls *', 'ls /var/log /tmp'],
    ['ls -l *', 'ls -l /var'],
    ['cat /var/log/*', 'cat /var/log/syslog'],
    ['cat /var/log/*', `cat '/var/log/a b'`],
    ['cat /var/log/**', 'cat /var/log/app/today'],
    ['grep "a b" *', `grep a\\ b file`],
    ['echo $HOME', 'echo ${HOME}'],
    ['ls ~/*', 'ls ~/x'],
    ['systemctl status *.service', 'systemctl status nginx.service'],
    ['ls -*', 'ls -la'],
    ['echo \\*', `echo '*'`],
    ['journalctl -u app | tail -50', 'journalctl -u app | tail -50'],
    ['*', 'anything; at $(all) > x'],
    ['LANG=C ls *', 'LANG=C ls /'],
  ] as const)
    assert.ok(allows(pattern, line), `${pattern} should allow ${line}`)
})

test('a pattern never crosses what a shell treats specially (attack 113)', () => {
  for (const line of [
    'ls; id',
    'ls $(id)',
    'ls `id`',
    'ls && id',
    'ls || id',
    'ls | id',
    'ls > x',
    'ls < x',
    'ls\nid',
    'ls\rid',
    'ls \0',
    'ls -la --color=$(x)',
    'ls ${IFS}x',
    'ls $IFS',
    'ls {a,b}',
    'ls /*',
    'ls [a]',
    'ls a?',
    'ls <(id)',
    'ls <<x',
    'ls & id',
    'ls\u00a0id',
    'ls\u2003/',
    'ls\u200b',
    ' ls',
    '\tls',
    'ls (x)',
    'ls #x',
    'l"s" /',
    `'ls' /`,
    'l\\s',
    `ls 'a`,
    'ls "a',
    'ls \\',
    'ls "$(id)"',
    'ls "`id`"',
    `ls $'a'`,
    'ls $1',
    'ls $((1))',
    'ls ${x:-`id`}',
    'ls ~root',
    'X=1 ls',
    'LD_PRELOAD=x ls',
    'ls ..',
    'ls ../x',
    'ls /srv/../etc',
    'ls --dir=../x',
    'ls -C..',
    '! ls',
    'time ls',
    '{ ls',
    'ls -la',
    'ls x -la',
    'id',
    'lsx',
    '',
    '   ',
    'ls =id',
    'ls "\n"',
  ])
    assert.ok(!allows('ls *', line), `ls * should refuse ${JSON.stringify(line)}`)
})

test('a star inside a word stops at a slash, and neither star matches an option', () => {
  for (const [pattern, line] of [
    ['cat /var/log/*', 'cat /var/log/a/b'],
    ['cat /var/log/*', 'cat /var/log/../x'],
    ['cat /var/log/**', 'cat /var/log/../x'],
    ['cat /var/log/*', 'cat /var/log/a /etc/shadow'],
    ['cat **', 'cat -A'],
    ['tail * file', 'tail -f file'],
    ['cat /srv/data*', 'cat /srv/data/x'],
    ['echo a*', 'echo $a'],
    ['ls', 'ls x'],
    ['ls x', 'ls'],
    ['*x y', 'X=x y'],
    ['ls a*b', `ls 'a/b'`],
  ] as const)
    assert.ok(!allows(pattern, line), `${pattern} should refuse ${line}`)
})

test('a pattern with operators is that text alone, and may hold no star', () => {
  assert.ok(!allows('a | b', 'a | b c'))
  assert.match(patternProblem('cat *.log | wc') ?? '', /one simple command/)
  assert.match(patternProblem(`ls 'x`) ?? '', /cannot be read/)
  assert.equal(patternProblem('ls *'), undefined)
  assert.equal(patternProblem('a | b'), undefined)
})

/** Those of the shells that docs/protocols/ssh.md names that are here: zsh and ksh are where their user has them. */
const shells = ['sh', 'bash', 'ksh', 'zsh'].filter(
  shell => spawnSync(shell, ['-c', 'exit']).error === undefined,
)

test(`what is read of any line is what ${shells.join(', ')} hand to the command`, () => {
  const atoms = fc.constantFrom(
    ...`a b - / . ' " \\ ' " $ ~ = : x , + @ %`.split(' '),
    ' ',
    '  ',
    "'a b'",
    '"$',
    '\\ ',
  )
  const lines: { line: string; words: string[] }[] = []
  fc.assert(
    fc.property(fc.array(atoms, { maxLength: 14 }), parts => {
      const line = `printf ${parts.join('')}`
      const read = readLine(line)
      if ('words' in read && read.words.every(word => !word.some(symbol => symbol.startsWith('\0'))))
        lines.push({ line, words: read.words.slice(1).map(wordText) })
    }),
    { numRuns: 600 },
  )
  assert.ok(lines.length > 100)
  const script = lines.map(({ line }) => `show ${line.slice('printf'.length)}`).join('\n')
  const wanted = lines.map(({ words }) => `${[String(words.length), ...words].join('\0')}\0\n`).join('')
  for (const shell of shells) {
    const shown = execFileSync(
      shell,
      ['-c', `show() { printf '%s\\0' "$#" "$@"; printf '\\n'; }\n${script}`],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(shown, wanted, shell)
  }
})

test('a line that a pattern allows runs that one command and writes nothing, whatever it holds', () => {
  const pieces = fc.constantFrom(
    'echo',
    ' ',
    'x',
    ';',
    '|',
    '&',
    '>',
    '<',
    '$(',
    ')',
    '`',
    '\n',
    '#',
    "'",
    '"',
    '\\',
    '*',
    '{',
    '}',
    '$x',
    '!',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), parts => {
      const line = `echo ${parts.join('')}`
      if (!allows('echo *', line)) return
      for (const shell of shells) {
        const out = execFileSync(shell, ['-c', `id() { echo ran; }; ${line}`], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        assert.equal(out.split('\n').length, 2, `${shell}: ${line}`)
      }
    }),
    { numRuns: 300 },
  )
})

test('no line is too strange or too long to be read quickly', () => {
  const long = `ls ${'a'.repeat(30_000)}`
  assert.ok(allows(`ls ${'*a'.repeat(20)}`, long))
  assert.ok(!allows(`ls ${'*a'.repeat(20)}b`, long))
  assert.ok(!allows('ls *', `ls ${'a'.repeat(40_000)}`))
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), line => {
      const read = readLine(line)
      assert.ok('words' in read || read.why !== '')
    }),
  )
})

test('patterns for commands that are as good as a shell are named', () => {
  assert.equal(equalsShell('*'), 'any command line')
  for (const [pattern, name] of [
    ['git *', 'git'],
    ['find /srv *', 'find'],
    ['/usr/bin/less *', 'less'],
    ['env *', 'env'],
    ['vim', 'vim'],
    ['ssh *', 'ssh'],
    ['l* *', 'l*'],
  ] as const)
    assert.equal(equalsShell(pattern), name)
  for (const pattern of ['uptime', 'ls *', 'cat /var/log/*', 'git status', 'journalctl -u app'])
    assert.equal(equalsShell(pattern), undefined)
})

test('what an enemy writes to be read slowly is read at once (attack 191)', { timeout: 60_000 }, () => {
  const much = 32_700
  const lines = [
    `a${'='.repeat(much)}`,
    'a=b '.repeat(4000),
    'scp '.repeat(much / 4),
    `scp ${'-a'.repeat(much / 3)}`,
    `"${'\\'.repeat(much - 1)}"`,
    `${'$a'.repeat(much / 2)}`,
  ]
  for (let round = 0; round < 10; round++) {
    for (const line of lines) {
      matchLine(['ls *', 'echo $HOME'], line)
      looksLikeScp(line)
    }
    const slow = Array.from({ length: 16 }, (_, n) => `ls ${'*a'.repeat(2000 + n)}`)
    assert.equal(matchLine(slow, `ls ${'a'.repeat(much)}`).match, false)
  }
})

test('what is too much to match is not matched, and the same in small is', () => {
  const pattern = `ls ${'*a'.repeat(20)}`
  assert.ok(allows(pattern, `ls ${'a'.repeat(200)}`))
  assert.ok(!allows(`ls ${'*a'.repeat(2000)}`, `ls ${'a'.repeat(30_000)}`))
})

test('a backslash that a multibyte locale would swallow is not read (GBK, Big5, Shift-JIS)', () => {
  const lines = [`echo 中\\"x '" ; id #'`, `echo "中\\"x`, `echo 'é\\'`, 'echo é\\ x']
  for (const line of lines) assert.ok('why' in readLine(line), line)
  assert.ok(allows('echo *', 'echo grüße'))
})
