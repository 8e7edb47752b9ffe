import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Operation } from '../../statement/sftp/operation.ts'
import { allowsEnv, judgeExec, judgeForward, judgeSftp } from './guard.ts'
import { type SshLimit, type SshScope, sshScope } from './scope.ts'

const { schema, limit, meet, isEmpty, words } = sshScope
const exec = fc.uniqueArray(
  fc.constantFrom<string | string[]>('*', 'ls *', 'uptime', 'cat /var/log/*', 'ls /tmp', ['ls', '*']),
  { maxLength: 3 },
)
const prefixes = fc.uniqueArray(
  fc.constantFrom('/', '/srv', '/srv/data', '/srv/data/', '/srv/database', '/tmp'),
)
const sftps = fc.oneof(
  fc.constantFrom('none', 'read', 'write'),
  fc.record(
    { read: prefixes, write: prefixes, max_bytes: fc.constantFrom(10, 1000) },
    { requiredKeys: ['read', 'write'] },
  ),
)
const scopes: fc.Arbitrary<SshScope> = fc
  .record({
    shell: fc.boolean(),
    pty: fc.boolean(),
    exec: fc.oneof(exec, fc.record({ all_of: fc.array(exec, { minLength: 1, maxLength: 2 }) })),
    sftp: sftps,
    scp: fc.boolean(),
    forward: fc.uniqueArray(fc.constantFrom('db:5432', 'DB:5432', '[::1]:80', '10.0.0.1:80')),
    env: fc.uniqueArray(fc.constantFrom('LANG', 'LC_ALL', 'TZ')),
    cut_on: fc.uniqueArray(fc.constantFrom('rm -rf', 'BEGIN * KEY')),
    idle_timeout: fc.constantFrom(null, 500, '30s', '10m'),
  })
  .map(said => schema.parse(said))
const lines = ['uptime', 'ls', 'ls /tmp', 'cat /var/log/x', 'id; id', 'rm x']
const at = (name: string, act: 'stat' | 'read' | 'write', path: string, bytes = 0): Operation => ({
  ...{ id: 0, name, act, paths: [path] },
  write: { offset: 5n, data: Buffer.alloc(bytes) },
})
const operations = [
  '/',
  '/srv',
  '/srv/x',
  '/srv/data',
  '/srv/data/x',
  '/srv/database/x',
  '/tmp/x',
  '/etc/x',
].flatMap(path => [
  ...(['stat', 'read', 'write'] as const).map(act => at('any', act, path)),
  at('symlink', 'write', path),
  at('write', 'write', path, 6),
  at('write', 'write', path, 2000),
])
const does = (scope: SshScope, operation: Operation) => judgeSftp(scope, operation).allow
const destinations = [
  ['db', 5432],
  ['DB', 5432],
  ['::1', 80],
  ['10.0.0.1', 80],
  ['db', 80],
] as const
const goes = (scope: SshScope, host: string, port: number) => judgeForward(scope, host, port).verdict.allow
const runs = (scope: SshScope, line: string) => judgeExec(scope, Buffer.from(line)).allow

test('two scopes meet in what both allow, command by command', () => {
  fc.assert(
    fc.property(scopes, scopes, (a, b) => {
      const both = meet(a, limit.parse(b) as SshLimit)
      for (const line of lines) assert.equal(runs(both, line), runs(a, line) && runs(b, line), line)
      assert.equal(both.shell, a.shell && b.shell)
      for (const operation of operations) {
        const [met, each] = [does(both, operation), does(a, operation) && does(b, operation)]
        // To look at something goes with reading or writing it: where one reads and the other writes, nothing is left.
        if (operation.act === 'stat') assert.ok(!met || each)
        else assert.equal(met, each, JSON.stringify([both.sftp, operation.paths]))
      }
      for (const [host, port] of destinations)
        assert.equal(goes(both, host, port), goes(a, host, port) && goes(b, host, port), host)
      assert.equal(both.scp, a.scp && b.scp)
      assert.deepEqual(schema.parse(both), both)
      assert.deepEqual(meet(both, b), both)
    }),
  )
})

test('who gives up reading may not rename what it could not before: another grant reads it where it was put', () => {
  const places = ['/srv', '/srv/x', '/srv/data', '/srv/data/x', '/srv/database/x', '/tmp/x', '/y', '/y/z']
  const sides = fc.uniqueArray(fc.constantFrom('/', '/srv', '/srv/data', '/srv/database', '/tmp', '/y'))
  const limits = fc.record({ read: sides, write: sides }).map(sftp => schema.parse({ sftp }))
  const name = fc.constantFrom('rename', 'posix-rename@openssh.com')
  fc.assert(
    fc.property(limits, limits, name, (a, b, kind) => {
      const both = meet(a, limit.parse({ sftp: b.sftp }) as SshLimit)
      assert.deepEqual(meet(both, b), both)
      for (const from of places)
        for (const to of places) {
          const operation: Operation = { id: 0, name: kind, act: 'write', paths: [from, to] }
          if (does(both, operation)) assert.ok(does(a, operation) && does(b, operation), `${from} to ${to}`)
        }
    }),
    { numRuns: 1000 },
  )
  const policy = schema.parse({ sftp: { read: ['/srv/out'], write: ['/srv'] } })
  const narrowed = meet(policy, { sftp: { read: [], write: ['/srv'] } })
  assert.equal(words(narrowed), 'sftp write /srv, without renames')
  const within = { read: [], write: ['/srv/in'] }
  assert.deepEqual(meet(policy, { sftp: within }).sftp, within)
})

test('a limit that says nothing changes nothing', () => {
  fc.assert(fc.property(scopes, scope => assert.deepEqual(meet(scope, {}), scope)))
})

test('of two idle_timeouts the smaller one holds, and none is no limit', () => {
  const [short, long, none] = ['500ms', '10m', null].map(idle_timeout =>
    schema.parse({ shell: true, idle_timeout }),
  )
  assert.ok(short && long && none)
  assert.deepEqual(schema.parse({ shell: true }), none)
  for (const [a, b, met] of [
    [short, long, short],
    [long, short, short],
    [long, none, long],
    [none, long, long],
    [none, none, none],
  ] as const)
    assert.deepEqual(meet(a, b), met)
  assert.equal(words(short), 'shell; at most 500 ms idle')
})

test('what is unsaid is refused, and a scope of nothing is empty', () => {
  const nothing = schema.parse({})
  assert.ok(isEmpty(nothing))
  assert.equal(words(nothing), 'nothing')
  assert.ok(!isEmpty(schema.parse({ sftp: 'read' })))
  assert.ok(isEmpty(meet(schema.parse({ exec: ['ls *'] }), { exec: [] })))
  assert.equal(schema.parse({ shell: true }).pty, true)
  assert.equal(schema.parse({ exec: ['*'] }).pty, false)
  assert.equal(
    words(schema.parse({ shell: true, exec: ['uptime', 'ls *'], sftp: 'read' })),
    'shell; exec of: uptime, ls *; sftp read',
  )
  assert.equal(
    words(
      schema.parse({
        exec: [
          ['systemctl', 'status', '*'],
          ['echo', 'a b'],
        ],
        sftp: { read: ['/srv/data/', '/srv'], write: ['/srv/in'], max_bytes: 1000 },
        ...{ scp: true, forward: ['DB:5432'] },
      }),
    ),
    'exec of: systemctl status *, echo "a b"; sftp read /srv, write /srv/in, at most 1000 bytes a file, scp too; forward to db:5432',
  )
  assert.equal(schema.parse({ sftp: { read: ['/'], write: ['/', '/srv'] } }).sftp, 'write')
  assert.equal(schema.parse({ sftp: { read: [] } }).sftp, 'none')
  assert.ok(!isEmpty(schema.parse({ forward: ['db:5432'] })))
})

test('what is dangerous, unknown or not well said is a configuration error', () => {
  for (const [scope, why] of [
    [{ sftp: 'all' }, /./],
    [{ sftp: { read: ['srv'] } }, /absolute path/],
    [{ sftp: { read: ['/srv//x'] } }, /absolute path/],
    [{ sftp: { write: ['/srv/../etc'] } }, /no \. or \.\./],
    [{ sftp: { write: ['/srv/*'] } }, /no patterns/],
    [{ sftp: { write: ['/srv\n'] } }, /control characters/],
    [{ sftp: { read: ['/srv'], list: ['/srv'] } }, /nrecognized key/],
    [{ sftp: { read: ['/srv'], max_bytes: 0 } }, /./],
    [{ idle_timeout: '0s' }, /a duration is a number with its unit/],
    [{ idle_timeout: '600h' }, /a idle_timeout is at most 24 days/],
    [{ forward: ['db'] }, /host:port/],
    [{ forward: ['*:22'] }, /host:port/],
    [{ forward: ['db:0'] }, /host:port/],
    [{ forward: ['db:65536'] }, /host:port/],
    [{ forward: ['::1:22'] }, /host:port/],
    [{ forward: ['db:5432 x'] }, /host:port/],
    [{ exec: [[]] }, /./],
    [{ exec: [['']] }, /begins with a command/],
    [{ exec: [['l*']] }, /spelled out/],
    [{ exec: [['ls', 'a\nb']] }, /control characters/],
    [{ env: ['LD_PRELOAD'] }, /run other code/],
    [{ env: ['PATH'] }, /run other code/],
    ...[
      'ZDOTDIR',
      '_JAVA_OPTIONS',
      'GLIBC_TUNABLES',
      'XDG_CONFIG_HOME',
      'MAKEFLAGS',
      'VIMINIT',
      'http_proxy',
      'APT_CONFIG',
      'DBUS_SYSTEM_BUS_ADDRESS',
      'PSQLRC',
      'PSQL_PAGER',
      'KUBECTL_EXTERNAL_DIFF',
      'RESTIC_PASSWORD_COMMAND',
      'RCLONE_PASSWORD_COMMAND',
      'BORG_RSH',
      'SVN_SSH',
      'HGRCPATH',
      'GEM_PATH',
      'ERL_FLAGS',
      'GUILE_LOAD_PATH',
      'COMPILER_PATH',
      'GCC_EXEC_PREFIX',
      'MAVEN_OPTS',
      'SOME_TOOL_PASSWORD_COMMAND',
      'CFLAGS',
      'EDITOR',
      'CLASSPATH',
      'NLSPATH',
    ].map(name => [{ env: [name] }, /run other code/] as const),
    [{ env: ['A=B'] }, /named exactly/],
    [{ env: ['LC_*'] }, /named exactly/],
    [{ exec: ['cat * | wc'] }, /one simple command/],
    [{ exec: ["ls 'x"] }, /cannot be read/],
    [{ exec: 'ls' }, /./],
    [{ tables: ['x'] }, /nrecognized key/],
  ] as const) {
    const read = schema.safeParse(scope)
    assert.ok(!read.success, JSON.stringify(scope))
    assert.match(JSON.stringify(read.error.issues), why)
  }
})

test('of every variable whose doings are not known check warns', () => {
  const warned = (env: readonly string[], more: object = {}) =>
    sshScope.warnings(schema.parse({ env, ...more }))
  assert.deepEqual(warned(['LANG', 'LC_ALL', 'LC_TIME', 'TZ', 'TERM', 'NO_COLOR']), [])
  assert.match(warned(['APP_MODE', 'TZ'])[0] ?? '', /^env APP_MODE: a program may run code/)
  assert.equal(warned(['APP_MODE', 'lang']).length, 2)
  assert.deepEqual(warned(['APP_MODE'], { shell: true }), [])
})

test('a locale is passed on only where characters are read as we read them', () => {
  const scope = sshScope.schema.parse({ env: ['LANG', 'LC_ALL', 'LC_CTYPE', 'LC_MINE'] })
  for (const value of ['C', 'POSIX', 'C.UTF-8', 'en_US.utf8', 'de_DE.UTF-8@euro'])
    assert.ok(allowsEnv(scope, 'LC_ALL', value), value)
  for (const value of [
    'zh_CN.GBK',
    'zh_TW',
    'ja_JP.SJIS',
    'zh_TW.Big5',
    'GB18030',
    '',
    'x.UTF-8/../zh_CN.GBK',
  ])
    for (const name of ['LANG', 'LC_ALL', 'LC_CTYPE']) assert.ok(!allowsEnv(scope, name, value), value)
  assert.ok(allowsEnv(scope, 'LC_MINE', 'anything'))
})
