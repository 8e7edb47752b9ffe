import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { channelData, msg } from './messages.ts'
import { RawClient } from './raw.fixture.ts'
import { type Granted, run, until, type World, world } from './world.fixture.ts'

let w: World
let data: string
const bytes = randomBytes(1_300_007)
before(async () => {
  w = await world()
  data = join(w.folder, 'data')
  mkdirSync(join(data, 'in'), { recursive: true })
  mkdirSync(join(data, 'tree/leaf'), { recursive: true })
  mkdirSync(join(w.folder, 'out'))
  writeFileSync(join(data, 'big'), bytes)
  writeFileSync(join(data, 'tree/a'), 'a\n')
  writeFileSync(join(data, 'tree/leaf/b'), 'b\n')
  writeFileSync(join(data, 'tree/evil\nC0644 1 x'), 'x')
  writeFileSync(join(w.folder, 'out/secret'), 'secret\n')
  symlinkSync(join(w.folder, 'out'), join(data, 'tree/way'))
  symlinkSync(join(w.folder, 'out/made'), join(data, 'in/link'))
  utimesSync(join(data, 'tree/a'), 1_000_000_000, 1_000_000_000)
})
after(() => w.close())

const grant = (more: object = {}) =>
  w.grant({ scp: true, sftp: { read: [data], write: [join(data, 'in')] }, ...more })
const scp = (g: Granted, ...more: readonly string[]) => run('scp', ['-O', ...w.args(g, '-P'), ...more])

test('scp in its legacy mode copies both ways, with what it copied on record', async () => {
  const g = grant()
  const down = await scp(g, `127.0.0.1:${data}/big`, `${w.folder}/got`)
  assert.equal(down.code, 0, down.stderr)
  assert.deepEqual(readFileSync(join(w.folder, 'got')), bytes)
  const digest = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(w.last().recorder.of('file'), [
    { act: 'read', path: `${data}/big`, bytes: bytes.length, digest },
  ])
  const up = await scp(g, '-p', `${w.folder}/got`, `127.0.0.1:${data}/in/copy`)
  assert.equal(up.code, 0, up.stderr)
  assert.deepEqual(readFileSync(join(data, 'in/copy')), bytes)
  const files = w.last().recorder.of('file') as { act: string }[]
  assert.deepEqual(
    files.find(one => one.act === 'write'),
    { act: 'write', path: `${data}/in/copy`, bytes: bytes.length, digest },
  )
  assert.deepEqual(w.last().recorder.of('result'), [{ tag: 'exit 0' }])
})

test('folders come and go with their times; links that lead out and names that are lines do not', async () => {
  const g = grant()
  const down = await scp(g, '-r', '-p', `127.0.0.1:${data}/tree`, `${w.folder}/tree`)
  assert.equal(down.code, 1)
  assert.match(down.stderr, /way: postern: .*not in scope/)
  assert.match(down.stderr, /its name cannot be sent/)
  assert.deepEqual(readdirSync(join(w.folder, 'tree')).sort(), ['a', 'leaf'])
  assert.equal(statSync(join(w.folder, 'tree/a')).mtimeMs, 1_000_000_000_000)
  const up = await scp(g, '-r', '-p', `${w.folder}/tree`, `127.0.0.1:${data}/in`)
  assert.equal(up.code, 0, up.stderr)
  assert.equal(readFileSync(join(data, 'in/tree/leaf/b'), 'utf8'), 'b\n')
  assert.equal(statSync(join(data, 'in/tree/a')).mtimeMs, 1_000_000_000_000)
  const two = await scp(g, `${w.folder}/tree/a`, `${w.folder}/tree/leaf/b`, `127.0.0.1:${data}/in/tree`)
  assert.equal(two.code, 0, two.stderr)
  assert.ok(existsSync(join(data, 'in/tree/b')))
})

test('scp is held to the paths of sftp, and off where the scope does not say it', async () => {
  for (const [g, from, to, why] of [
    [grant(), `127.0.0.1:${w.folder}/out/secret`, `${w.folder}/x`, /not in scope/],
    [grant(), `127.0.0.1:${data}/tree/way/secret`, `${w.folder}/x`, /not in scope/],
    [grant(), `127.0.0.1:${data}/../out/secret`, `${w.folder}/x`, /not in scope/],
    [grant(), `127.0.0.1:${data}/*`, `${w.folder}/x`, /a shell would expand/],
    [grant(), `127.0.0.1:${data}/$(id)`, `${w.folder}/x`, /not taken/],
    [grant(), '/etc/hostname', `127.0.0.1:${data}/x`, /not in scope/],
    [grant(), '/etc/hostname', `127.0.0.1:${data}/in/link`, /not in scope/],
    [
      grant({ scp: false, exec: ['*'] }),
      `127.0.0.1:${data}/big`,
      `${w.folder}/x`,
      /legacy mode is not in scope/,
    ],
    [grant({ sftp: 'none' }), `127.0.0.1:${data}/big`, `${w.folder}/x`, /that is nothing/],
    [
      grant({ sftp: { read: [data], max_bytes: 5 } }),
      `127.0.0.1:${data}/big`,
      `${w.folder}/x`,
      /at most 5 bytes/,
    ],
  ] as const) {
    const ran = await scp(g, from, to)
    assert.notEqual(ran.code, 0, from)
    assert.match(ran.stderr, why)
  }
  for (const path of ['x', 'out/made', 'data/x']) assert.ok(!existsSync(join(w.folder, path)) || path === 'x')
  assert.ok(!existsSync(join(w.folder, 'out/made')) && !existsSync(join(data, 'x')))
})

test('lines that name anything but one plain name end it (attack 120)', async () => {
  for (const line of [
    'C0644 1 ../x',
    'C0644 1 a/b',
    'C0644 1 ..',
    'C0644 1 .',
    'C0644 1 ',
    'C0644 1 a\u001b[2J',
    'C0644 1 a\0b',
    'C0644 1 /etc/x',
    'C0644 -1 x',
    'C0644 1e3 x',
    'C99999 1 x',
    'C064 1 x',
    'C0644 9999999999999999 x',
    'D0755 0 sub',
    'E',
    'X',
    '',
    `C0644 1 ${'x'.repeat(300)}`,
    'y'.repeat(5000),
    'T1 0 2',
  ]) {
    const client = await RawClient.enter(w, grant())
    const channel = await client.channel(0)
    await client.start(channel, 'exec', `scp -t ${data}/in`)
    await until(() => client.data.length > 0, 'it is ready')
    client.send(channelData(channel, Buffer.from(`${line}\n`), false))
    const told = await client.see(msg.channelRequest)
    assert.ok(told.includes('exit-status') && told.at(-1) === 1, line)
    client.socket.destroy()
  }
  assert.deepEqual(readdirSync(join(data, 'in')).sort(), ['copy', 'link', 'tree'])
})

test('a client that does nothing but warn is shown out after a thousand warnings (attack 192)', async () => {
  const client = await RawClient.enter(w, grant())
  const channel = await client.channel(0)
  await client.start(channel, 'exec', `scp -t ${data}/in`)
  await until(() => client.data.length > 0, 'it is ready')
  client.send(channelData(channel, Buffer.from('\u0001\n'.repeat(1001)), false))
  const told = await client.see(msg.channelRequest)
  assert.ok(told.includes('exit-status') && told.at(-1) === 1)
  client.socket.destroy()
})
