import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { createLog } from '../telemetry/log.ts'
import { renewDaily } from './renew.ts'
import { type TlsKeys, tlsOf } from './tls.ts'

test('each day the certificate is looked at for the configuration in force, and for none that is over', async t => {
  const data = await mkdtemp(join(tmpdir(), 'postern-renew-'))
  t.after(() => rm(data, { recursive: true }))
  const named = (name: string) =>
    ({
      data,
      publicUrl: new URL(`https://${name}`),
      advertise: new Map(),
      listen: { streams: new Map(), tls: 'auto', insecure: false },
    }) as unknown as Config
  let config = named('a.example.com')
  const clock = { now: () => Date.parse('2026-06-01T00:00:00Z'), mono: () => 0 }
  const first = await tlsOf(config, clock.now())
  const got: TlsKeys[] = []
  t.mock.timers.enable({ apis: ['setInterval'] })
  using _ = renewDaily({ config: () => config, clock, log: createLog('silent') }, tls => got.push(tls))
  const looked = async (count: number) => {
    while (got.length < count) await turn()
  }
  t.mock.timers.tick(86_400_000)
  await looked(1)
  assert.equal(got[0]?.options.cert, first.options.cert)
  config = named('b.example.com')
  t.mock.timers.tick(86_400_000)
  config = named('c.example.com')
  t.mock.timers.tick(86_400_000)
  await looked(2)
  for (let i = 0; i < 200; i++) await turn()
  assert.equal(got.length, 2)
  assert.deepEqual(
    ['b.example.com', 'c.example.com'].map(name =>
      new X509Certificate(got[1]?.options.cert ?? '').checkHost(name),
    ),
    [undefined, 'c.example.com'],
  )
})
