/** `postern connect`'s curl against a server that refuses. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { missing, run } from '../../../test/fixtures/run.ts'
import { curl } from './present.ts'

test('a refusal is shown and ends curl with 22; no progress is in the way', {
  skip: missing('curl'),
}, async () => {
  const server = createServer((_, response) => response.writeHead(403).end('not permitted'))
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const folder = await mkdtemp(join(tmpdir(), 'postern-curl-'))
  const curling = async (...args: string[]) => {
    const grant = {
      id: 'g_1',
      connection: 'api',
      protocol: 'http',
      endpoint: { host: '127.0.0.1', port, url: `http://127.0.0.1:${port}/c/api/` },
      env: {},
      credential: { username: 'g_1', password: 'pst_x' },
    }
    const prepared = curl.prepare({ grant, folder, args: ['/v1/x', ...args] })
    for (const [name, text] of Object.entries(prepared.files)) await writeFile(join(folder, name), text)
    return run('curl', prepared.args)
  }
  try {
    const { status, stdout, stderr } = await curling()
    assert.deepEqual([status, stdout], [22, 'not permitted'])
    assert.match(stderr, /^curl: \(22\) [^\n]*403\n$/)
    // The two do not go together; who says which is asked.
    for (const own of ['-f', '-sf', '--fail'])
      assert.deepEqual(await curling(own).then(r => [r.status, r.stdout]), [22, ''])
    // An f in a value is none of curl's own.
    for (const value of ['-dfrom=1', '-Hx-from: y', '-ufoo:bar'])
      assert.equal((await curling(value)).status, 22, value)
  } finally {
    server.close()
    await rm(folder, { recursive: true })
  }
})
