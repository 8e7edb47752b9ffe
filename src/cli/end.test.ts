import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { postern } from '../../test/fixtures/gateway.ts'
import { run } from '../../test/fixtures/run.ts'

/** What `end` prints where the grant is then in this state. */
async function end(grant: object, ...args: string[]): Promise<string> {
  const server = createServer(({ method }, response) => {
    if (method === 'DELETE') response.writeHead(204).end()
    else response.end(JSON.stringify(grant))
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  try {
    const env = { POSTERN_URL: `http://127.0.0.1:${port}`, POSTERN_TOKEN: 't' }
    const { status, stdout } = await run(postern, ['end', 'g_1', ...args], { env })
    assert.equal(status, 0)
    return stdout
  } finally {
    server.close()
  }
}

test('end says what became of the grant, and what had become of it before', async () => {
  assert.equal(await end({ state: 'ended', ending: 'it was given back at x' }), 'g_1 given back\n')
  const expired = { state: 'expired', ending: "it expired at 2026-03-01T12:00:05Z (the rule's 10m)" }
  assert.equal(await end(expired), `g_1 was over already: ${expired.ending}\n`)
  assert.deepEqual(JSON.parse(await end(expired, '--json')), { id: 'g_1', state: 'expired' })
})
