import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadTrusted } from './config/trusted.ts'
import { openHome } from './demo/home.ts'
import type { House } from './house.ts'
import type { AnyProtocol } from './protocol/protocol.ts'
import { protocols } from './protocol/registry.ts'
import { createReload } from './reload.ts'

const yaml = `data: ./data
listen: { http: 127.0.0.1:8600 }
issuers: { okta: { issuer: "http://127.0.0.1:1/", audience: api://postern } }
connections: {}
rules: []
`

test('what a protocol concluded is forgotten where another configuration comes into force, and only there', async () => {
  const home = await openHome()
  try {
    const file = join(home.dir, 'postern.yaml')
    await writeFile(file, yaml, { mode: 0o600 })
    let forgot = 0
    const told: AnyProtocol = {
      ...(protocols.get('postgres') as AnyProtocol),
      reloaded: () => {
        forgot++
      },
    }
    const known = new Map([...protocols, ['postgres', told]])
    let { config } = await loadTrusted(file, known)
    const house = {
      config: () => config,
      verifier: { updated: async () => undefined },
      audit: { noted: () => undefined },
      log: { info: () => undefined, error: () => undefined },
      policy: () => undefined,
      clock: { now: () => 0 },
      grants: { live: () => [] },
    } as unknown as House
    const reload = createReload({
      house,
      file,
      protocols: known,
      install: next => {
        config = next
      },
    })
    await writeFile(file, 'rules: nonsense', { mode: 0o600 })
    await reload()
    assert.equal(forgot, 0)
    await writeFile(file, yaml, { mode: 0o600 })
    await reload()
    assert.equal(forgot, 1)
  } finally {
    await home.close()
  }
})
