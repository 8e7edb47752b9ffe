/** A gateway that gives, and then does not take back. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { postern } from '../../test/fixtures/gateway.ts'
import { type Ran, run } from '../../test/fixtures/run.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-give-back-'))
})
after(() => rm(folder, { recursive: true }))

/** A gateway that grants and then answers a DELETE as told. */
async function stub(answer: { status: number; code?: string }): Promise<Ran> {
  const grant = {
    id: 'g_1',
    connection: 'x',
    protocol: 'none',
    state: 'active',
    expires_at: '2026-03-01T12:10:00Z',
    endpoint: { host: 'h', port: 1 },
    credential: { username: 'g_1' },
    env: {},
  }
  const server = createServer((request, response) => {
    const asked = request.method === 'POST'
    response.writeHead(asked ? 201 : answer.status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(asked ? grant : { code: answer.code, detail: 'said' }))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const file = join(folder, 'seven.js')
  await writeFile(file, 'process.exit(7)')
  try {
    const env = { POSTERN_URL: url, POSTERN_TOKEN: 't' }
    return await run(postern, ['run', 'x', '--', process.execPath, file], { env })
  } finally {
    server.close()
  }
}

test("a grant that cannot be given back is said to stay live; the exit code is the command's", async () => {
  const failed = await stub({ status: 503, code: 'recording_unavailable' })
  assert.equal(failed.status, 7)
  assert.equal(
    failed.stderr,
    'postern: g_1 is not given back and ends at 2026-03-01T12:10:00Z: recording_unavailable: said\n',
  )
  const over = await stub({ status: 404, code: 'grant_unknown' })
  assert.deepEqual([over.status, over.stderr], [7, ''])
})
