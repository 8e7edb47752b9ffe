import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { postern } from '../../test/fixtures/gateway.ts'
import { run } from '../../test/fixtures/run.ts'
import { loadTls } from '../listener/tls.ts'
import { exit } from './exit.ts'

let data: string
let server: Server
before(async () => {
  data = await mkdtemp(join(tmpdir(), 'postern-client-'))
  const { options } = await loadTls('auto', data, [], Date.now())
  server = createServer(options, (_, response) => response.end('[]')).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(async () => {
  server.close()
  await rm(data, { recursive: true })
})

const connections = (env: Record<string, string> = {}) =>
  run(postern, ['connections', '--json'], {
    env: {
      POSTERN_URL: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      POSTERN_TOKEN: 't',
      ...env,
    },
  })

test("a gateway with a CA of its own: told how to trust it, and not in Node's words", async () => {
  const { status, stdout, stderr } = await connections()
  assert.equal(status, exit.unavailable)
  assert.match(stdout, /export NODE_EXTRA_CA_CERTS=<ca\.pem of the gateway>/)
  assert.doesNotMatch(stdout + stderr, /use-system-ca/)
  assert.equal((await connections({ NODE_EXTRA_CA_CERTS: join(data, 'keys/ca.pem') })).stdout, '[]\n')
})
