import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeExec } from './guard.ts'
import { type SshLimit, type SshScope, sshScope } from './scope.ts'

const { schema, limit, meet, isEmpty, words } = sshScope
const exec = fc.uniqueArray(fc.constantFrom('*', 'ls *', 'uptime', 'cat /var/log/*', 'ls /tmp'), {
  maxLength: 3,
})
const scopes: fc.Arbitrary<SshScope> = fc
  .record({
    shell: fc.boolean(),
    pty: fc.boolean(),
    exec: fc.oneof(exec, fc.record({ all_of: fc.array(exec, { minLength: 1, maxLength: 2 }) })),
    sftp: fc.constantFrom('none', 'read'),
    env: fc.uniqueArray(fc.constantFrom('LANG', 'LC_ALL', 'TZ')),
  })
  .map(said => schema.parse(said))
const lines = ['uptime', 'ls', 'ls /tmp', 'cat /var/log/x', 'id; id', 'rm x']
const runs = (scope: SshScope, line: string) => judgeExec(scope, Buffer.from(line), []).allow

test('two scopes meet in what both allow, command by command', () => {
  fc.assert(
    fc.property(scopes, scopes, (a, b) => {
      const both = meet(a, limit.parse(b) as SshLimit)
      for (const line of lines) assert.equal(runs(both, line), runs(a, line) && runs(b, line), line)
      assert.equal(both.shell, a.shell && b.shell)
      assert.equal(both.sftp, a.sftp === 'read' && b.sftp === 'read' ? 'read' : 'none')
      assert.deepEqual(schema.parse(both), both)
      assert.deepEqual(meet(both, b), both)
    }),
  )
})

test('a limit that says nothing changes nothing', () => {
  fc.assert(fc.property(scopes, scope => assert.deepEqual(meet(scope, {}), scope)))
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
})

test('what is not available yet, dangerous or unknown is a configuration error', () => {
  for (const [scope, why] of [
    [{ sftp: 'write' }, /not available yet/],
    [{ sftp: { read: ['/srv'] } }, /not available yet/],
    [{ scp: true }, /not available yet/],
    [{ forward: ['db:5432'] }, /not available yet/],
    [{ env: ['LD_PRELOAD'] }, /run other code/],
    [{ env: ['PATH'] }, /run other code/],
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
