import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadConfig } from './load.ts'
import { ConfigError } from './problem.ts'
import { sample } from './sample.fixture.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-load-'))
})
after(() => rm(folder, { recursive: true }))

test('a file is loaded with its own folder as the base of what it refers to', async () => {
  const file = join(folder, 'postern.yaml')
  await writeFile(file, sample)
  const { config, files } = await loadConfig(file, twoProtocols)
  assert.equal(config.file, file)
  assert.equal(config.data, join(folder, 'data'))
  assert.deepEqual(
    files.map(one => one.path),
    [join(folder, 'ca.pem'), join(folder, 'web-1.key')],
  )
})

const wrong: readonly (readonly [name: string, make: (file: string) => Promise<unknown>, message: RegExp])[] =
  [
    ['an absent file', async () => undefined, /:1:1: does not exist$/],
    ['a folder', file => mkdir(file), /:1:1: (this is not a file|cannot be read: EISDIR)/],
    [
      'a file beyond 1 MiB',
      file => writeFile(file, `${sample}#${'x'.repeat(1024 * 1024)}`),
      /:1:1: is larger than 1 MiB/,
    ],
    [
      'a file that is not UTF-8',
      file => writeFile(file, Buffer.from([0x64, 0x3a, 0xff, 0xfe])),
      /:1:1: this is not UTF-8/,
    ],
  ]

for (const [name, make, message] of wrong) {
  test(`${name} is a problem of the configuration`, async () => {
    const file = join(folder, name)
    await make(file)
    await assert.rejects(
      loadConfig(file, twoProtocols),
      error => error instanceof ConfigError && message.test(error.message),
    )
  })
}
