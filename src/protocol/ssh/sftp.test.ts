import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { run, type World, world } from './world.fixture.ts'

let w: World
let files: string
const bytes = randomBytes(3 * 1024 * 1024 + 17)
before(async () => {
  w = await world()
  files = join(w.folder, 'files')
  mkdirSync(files)
  writeFileSync(join(files, 'big'), bytes)
  writeFileSync(join(files, 'small'), 'hello\n')
})
after(() => w.close())

const sftp = (g: ReturnType<World['grant']>, batch: string) =>
  run('sftp', ['-b', '-', ...w.args(g, '-P'), '127.0.0.1'], batch)

test('sftp lists and reads, and what was read is on record with its digest', async () => {
  const g = w.grant({ sftp: 'read' })
  const ran = await sftp(g, `ls -l ${files}\nget ${files}/big ${w.folder}/got\n`)
  assert.equal(ran.code, 0, ran.stderr)
  assert.match(ran.stdout, /small/)
  assert.deepEqual(readFileSync(join(w.folder, 'got')), bytes)
  const { recorder } = w.last()
  assert.deepEqual(recorder.of('file'), [
    {
      act: 'read',
      path: `${files}/big`,
      bytes: bytes.length,
      digest: createHash('sha256').update(bytes).digest('hex'),
    },
  ])
  const kinds = (recorder.of('allowed') as { kind: string }[]).map(one => one.kind)
  assert.ok(kinds.includes('sftp.opendir') && kinds.includes('sftp.open') && kinds.includes('subsystem'))
})

test('nothing is written through sftp that may only read', async () => {
  const g = w.grant({ sftp: 'read' })
  for (const line of [
    `put ${files}/small ${files}/new`,
    `rm ${files}/small`,
    `mkdir ${files}/dir`,
    `rename ${files}/small ${files}/new`,
    `ln -s /etc ${files}/new`,
    `ln ${files}/small ${files}/new`,
    `chmod 777 ${files}/small`,
  ]) {
    const ran = await sftp(g, `${line}\n`)
    assert.notEqual(ran.code, 0, line)
    assert.ok(
      existsSync(join(files, 'small')) && !existsSync(join(files, 'new')) && !existsSync(join(files, 'dir')),
      line,
    )
  }
})

test('scp reads over sftp and cannot write; in its legacy mode it is refused whatever the patterns', async () => {
  const g = w.grant({ sftp: 'read', exec: ['*'] })
  const down = await run('scp', [...w.args(g, '-P'), `127.0.0.1:${files}/small`, `${w.folder}/copied`])
  assert.equal(down.code, 0, down.stderr)
  assert.equal(readFileSync(join(w.folder, 'copied'), 'utf8'), 'hello\n')
  const up = await run('scp', [...w.args(g, '-P'), `${files}/small`, `127.0.0.1:${files}/up`])
  assert.notEqual(up.code, 0)
  assert.match(up.stderr, /not in scope|ermission denied/)
  const legacy = await run('scp', [
    '-O',
    ...w.args(g, '-P'),
    `127.0.0.1:${files}/small`,
    `${w.folder}/legacy`,
  ])
  assert.notEqual(legacy.code, 0)
  assert.match(legacy.stderr, /legacy mode is not in scope/)
  assert.ok(!existsSync(join(files, 'up')) && !existsSync(join(w.folder, 'legacy')))
})

test("paramiko's sftp reads, and is told EACCES when it writes", async () => {
  const g = w.grant({ sftp: 'read' })
  const python = `
import paramiko
t = paramiko.Transport(('127.0.0.1', ${w.port})); t.connect(username='${g.id}', password='${g.password}')
s = paramiko.SFTPClient.from_transport(t)
print(sorted(s.listdir('${files}')), len(s.open('${files}/big').read()))
for act in (lambda: s.open('${files}/w', 'w'), lambda: s.open('${files}/small', 'r+'), lambda: s.remove('${files}/small'), lambda: s.open('${files}/small', 'a')):
    try: act(); print('done')
    except PermissionError as e: print('denied')
    except IOError as e: print(e)
`
  const ran = await run('/usr/bin/python3', ['-c', python])
  assert.equal(ran.stdout, `['big', 'small'] ${bytes.length}\ndenied\ndenied\ndenied\ndenied\n`)
  assert.equal(readFileSync(join(files, 'small'), 'utf8'), 'hello\n')
})

test('paramiko asks for a large file in one go, and what is more than may be under way is answered all the same', async () => {
  const g = w.grant({ sftp: 'read' })
  const python = `
import paramiko
t = paramiko.Transport(('127.0.0.1', ${w.port})); t.connect(username='${g.id}', password='${g.password}')
s = paramiko.SFTPClient.from_transport(t)
print(b''.join(s.open('${files}/big').readv([(at * 1000, 1000) for at in range(3000)])) == open('${files}/big', 'rb').read(3000 * 1000))
`
  assert.equal((await run('/usr/bin/python3', ['-c', python])).stdout, 'True\n')
})

test('requests that come while keys are changed wait for their answers and are not lost', async () => {
  const g = w.grant({ sftp: 'write' })
  const data = randomBytes(12 * 1024 * 1024)
  writeFileSync(join(w.folder, 'up'), data)
  // Sixty-four small requests under way at each moment, and new keys after each MiB.
  const options = ['-b', '-', '-B', '4096', '-o', 'RekeyLimit=1M', ...w.args(g, '-P'), '127.0.0.1']
  const batch = `put ${w.folder}/up ${files}/there\nget ${files}/there ${w.folder}/back\nrm ${files}/there\n`
  const ran = await run('sftp', options, batch)
  assert.equal(ran.code, 0, ran.stderr)
  assert.ok(readFileSync(join(w.folder, 'back')).equals(data))
})
