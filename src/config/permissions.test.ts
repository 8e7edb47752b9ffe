import assert from 'node:assert/strict'
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { type Loaded, parseConfig } from './parse.ts'
import { checkPermissions, type Facts, judgeFacts, makeData, type Role } from './permissions.ts'
import { sample } from './sample.fixture.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const us = 1000
const facts: readonly (readonly [
  role: Role,
  kind: Facts['kind'],
  mode: number,
  uid: number,
  wrong: RegExp | undefined,
])[] = [
  ['ours', 'file', 0o644, us, undefined],
  ['ours', 'file', 0o644, 0, undefined],
  ['ours', 'file', 0o664, us, /can be written by other users \(mode 0664\); run: chmod go-w \/x/],
  ['ours', 'file', 0o646, us, /chmod go-w/],
  ['ours', 'file', 0o600, 1001, /belongs to another user \(uid 1001\).*chown 1000 \/x/],
  ['private', 'file', 0o600, us, undefined],
  ['private', 'file', 0o400, 0, undefined],
  ['private', 'file', 0o640, us, /can be read by other users \(mode 0640\); run: chmod 600 \/x/],
  ['private', 'file', 0o604, us, /can be read/],
  ['private', 'file', 0o620, us, /can be written/],
  ['private', 'file', 0o600, 1001, /belongs to another user/],
  ['private', 'folder', 0o700, us, undefined],
  ['private', 'folder', 0o755, us, /chmod 700 \/x/],
  ['private', 'folder', 0o711, us, /chmod 700 \/x/],
  // Sticky says nothing for data/ itself: others could add files to it.
  ['private', 'folder', 0o1777, us, /can be written.*chmod 700/],
  ['above', 'folder', 0o755, 0, undefined],
  ['above', 'folder', 0o1777, 0, undefined],
  ['above', 'folder', 0o777, 0, /can be written/],
  ['above', 'folder', 0o775, us, /can be written/],
  ['above', 'folder', 0o1777, 1001, /belongs to another user/],
  ['above', 'link', 0o777, us, undefined],
  ['above', 'link', 0o777, 1001, /belongs to another user/],
  ['private', 'other', 0o600, us, /neither a file nor a folder/],
]

for (const [role, kind, mode, uid, wrong] of facts) {
  test(`${role}: a ${kind} of uid ${uid} with mode ${mode.toString(8)} is ${wrong === undefined ? 'as it must be' : 'refused'}`, () => {
    const problem = judgeFacts({ path: '/x', kind, mode, uid }, role, us)
    if (wrong === undefined) assert.equal(problem, undefined)
    else assert.match(problem ?? '', wrong)
  })
}

test('root is no exception: what matters is what others may do', () => {
  assert.match(judgeFacts({ path: '/x', kind: 'file', mode: 0o666, uid: 0 }, 'ours', 0) ?? '', /written/)
  assert.match(
    judgeFacts({ path: '/x', kind: 'file', mode: 0o600, uid: us }, 'private', 0) ?? '',
    /belongs to another/,
  )
})

test('the command to run survives a strange path', () => {
  assert.match(
    judgeFacts({ path: "/a b/it's", kind: 'file', mode: 0o666, uid: us }, 'ours', us) ?? '',
    /chmod go-w '\/a b\/it'\\''s'$/,
  )
})

let folder: string
let loaded: Loaded

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-perm-'))
  await chmod(folder, 0o755)
  await mkdir(join(folder, 'etc'), { mode: 0o755 })
  for (const [name, mode] of [
    ['postern.yaml', 0o644],
    ['web-1.key', 0o600],
    ['ca.pem', 0o644],
  ] as const) {
    await writeFile(join(folder, 'etc', name), name === 'postern.yaml' ? sample : 'x')
    await chmod(join(folder, 'etc', name), mode)
  }
  loaded = parseConfig(Buffer.from(sample), join(folder, 'etc/postern.yaml'), twoProtocols)
})
afterEach(() => rm(folder, { recursive: true }))

const path = (name: string) => join(folder, name)

test('a folder set up as it must be, under a sticky /tmp, is accepted; data is made for us alone', async () => {
  assert.deepEqual(await checkPermissions(loaded), [])
  await makeData(loaded.config.data)
  assert.equal((await stat(loaded.config.data)).mode & 0o777, 0o700)
  assert.deepEqual(await checkPermissions(loaded), [])
})

const broken: readonly (readonly [name: string, breakIt: () => Promise<unknown>, problem: RegExp])[] = [
  [
    'the file can be written by its group',
    () => chmod(path('etc/postern.yaml'), 0o664),
    /postern\.yaml can be written/,
  ],
  [
    'a secret can be read by all',
    () => chmod(path('etc/web-1.key'), 0o644),
    /web-1\.key can be read.*chmod 600/,
  ],
  ['a CA can be written by all', () => chmod(path('etc/ca.pem'), 0o666), /ca\.pem can be written/],
  ['a secret is absent', () => rm(path('etc/web-1.key')), /web-1\.key does not exist/],
  ['the folder can be written by all', () => chmod(path('etc'), 0o777), /\/etc can be written/],
  ['a folder far above can be written by all', () => chmod(folder, 0o777), /postern-perm-\w+ can be written/],
  ['data can be read by all', () => mkdir(path('etc/data'), { mode: 0o755 }), /data can be read.*chmod 700/],
  [
    'a secret is a link into a folder that others write',
    async () => {
      await mkdir(path('open'))
      await chmod(path('open'), 0o777)
      await writeFile(path('open/key'), 'x', { mode: 0o600 })
      await rm(path('etc/web-1.key'))
      await symlink('../open/key', path('etc/web-1.key'))
    },
    /\/open can be written/,
  ],
  [
    'data is a link to a folder that others read',
    async () => {
      await mkdir(path('real'))
      await chmod(path('real'), 0o750)
      await symlink(path('real'), path('etc/data'))
    },
    /\/real can be read/,
  ],
  [
    'the recordings are a link to a folder that others write',
    async () => {
      await mkdir(path('etc/data'), { mode: 0o700 })
      await mkdir(path('wide'))
      await chmod(path('wide'), 0o777)
      await symlink(path('wide'), path('etc/data/recordings'))
    },
    /\/wide can be written.*chmod 700/,
  ],
  [
    'a link leads in a circle',
    async () => {
      await rm(path('etc/ca.pem'))
      await symlink('ca.pem', path('etc/ca.pem'))
    },
    /too many links/,
  ],
]

for (const [name, breakIt, problem] of broken) {
  test(`refused: ${name}`, async () => {
    await breakIt()
    const problems = await checkPermissions(loaded)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })
}

test('links whose both sides are ours alone are accepted', async () => {
  await mkdir(path('real'), { mode: 0o700 })
  await writeFile(path('real/key'), 'x', { mode: 0o600 })
  await rm(path('etc/web-1.key'))
  await symlink('../real/../real/./key', path('etc/web-1.key'))
  await symlink(path('real'), path('etc/data'))
  assert.deepEqual(await checkPermissions(loaded), [])
})

test("another user's file or folder is refused, by root too", {
  skip: process.getuid?.() !== 0,
}, async () => {
  await chown(path('etc/web-1.key'), 12_345, 12_345)
  assert.match((await checkPermissions(loaded)).join(), /web-1\.key belongs to another user/)
  await chown(path('etc/web-1.key'), 0, 0)
  await chown(path('etc'), 12_345, 12_345)
  assert.match((await checkPermissions(loaded)).join(), /\/etc belongs to another user/)
})
