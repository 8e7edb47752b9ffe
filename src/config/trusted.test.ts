import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { z } from 'zod'
import { ConfigError } from './problem.ts'
import { sample } from './sample.fixture.ts'
import { loadTrusted } from './trusted.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-trusted-'))
  file = join(folder, 'postern.yaml')
  await writeFile(file, sample, { mode: 0o600 })
  await writeFile(join(folder, 'web-1.key'), 'x', { mode: 0o600 })
  await writeFile(join(folder, 'ca.pem'), 'x', { mode: 0o600 })
})
afterEach(() => rm(folder, { recursive: true }))

const says = (message: RegExp) => (error: unknown) =>
  error instanceof ConfigError && message.test(error.message)

test('a valid file that nobody else can change is taken, and data is made for us alone', async () => {
  const { config } = await loadTrusted(file, twoProtocols)
  assert.equal((await stat(config.data)).mode & 0o777, 0o700)
})

test('what another user could change is not taken, with everything to mend told at once', async () => {
  await chmod(file, 0o622)
  await chmod(join(folder, 'web-1.key'), 0o644)
  await assert.rejects(
    loadTrusted(file, twoProtocols),
    says(/postern\.yaml can be written.*chmod go-w.*\n.*web-1\.key can be read.*chmod 600/),
  )
})

test('a file in the place of data is a problem of the configuration', async () => {
  await writeFile(join(folder, 'data'), 'x', { mode: 0o600 })
  await assert.rejects(loadTrusted(file, twoProtocols), says(/data cannot be made a folder: EEXIST/))
})

test('a file that changes while it is judged is not taken', async () => {
  const ssh = twoProtocols.get('ssh')
  assert.ok(ssh)
  const changing = z.unknown().transform(() => appendFileSync(file, '# swapped\n'))
  await assert.rejects(
    loadTrusted(file, new Map([...twoProtocols, ['ssh', { ...ssh, lease: changing }]])),
    says(/was changed while/),
  )
})
