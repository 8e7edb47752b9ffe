import assert from 'node:assert/strict'
import { test } from 'node:test'
import { edgesOf, judge } from './layers.ts'

const planted = (file: string, text: string): string[] =>
  judge(new Map([[file, text]])).map(o => `${o.file}:${o.line} ${o.what}`)

test('an import that points up the layers is caught and named', () => {
  const [offence] = planted('src/grant/redeem.ts', "\nimport { openSession } from '../broker/open.ts'\n")
  assert.equal(offence, 'src/grant/redeem.ts:2 must not import src/broker/open.ts: grant lies below broker')
})

test('an import that points down the layers passes', () => {
  assert.deepEqual(
    planted(
      'src/broker/open.ts',
      "import { issue } from '../grant/issue.ts'\nimport { x } from '../words.ts'",
    ),
    [],
  )
})

test('identity, policy, approval and grant never import each other', () => {
  assert.match(
    planted('src/policy/decide.ts', "import { verify } from '../identity/verify.ts'")[0] ?? '',
    /share a layer/,
  )
})

test('a protocol never imports another, except Kubernetes the HTTP one', () => {
  assert.match(
    planted('src/protocol/ssh/guard.ts', "import { wire } from '../postgres/wire.ts'")[0] ?? '',
    /share a layer/,
  )
  assert.deepEqual(planted('src/protocol/kubernetes/index.ts', "import { http } from '../http/index.ts'"), [])
  assert.equal(
    planted('src/protocol/kubernetes/index.ts', "import { guard } from '../http/guard.ts'").length,
    1,
  )
})

test('the broker cannot know a protocol, and only main and cli know the registry', () => {
  const reach = (from: string): string[] =>
    planted(from, "import { registry } from '../protocol/registry.ts'")
  assert.equal(reach('src/broker/open.ts').length, 1)
  assert.equal(reach('src/api/grants.ts').length, 1)
  assert.deepEqual(reach('src/cli/serve.ts'), [])
  assert.deepEqual(planted('src/protocol/registry.ts', "import { postgres } from './postgres/index.ts'"), [])
})

test('other neighbours of a layer may import one way, never both ways', () => {
  const api: [string, string] = ['src/api/caller.ts', "import { source } from '../listener/source.ts'"]
  const listener: [string, string] = ['src/listener/http.ts', "import { app } from '../api/app.ts'"]
  assert.deepEqual(judge(new Map([api])), [])
  assert.deepEqual(
    judge(new Map([api, listener])).map(o => o.what.replace(/.*: /, '')),
    ['api and listener import each other', 'listener and api import each other'],
  )
})

test('a type, a re-export, a dynamic import and a worker count as imports', () => {
  for (const text of [
    "import type { Live } from '../broker/live.ts'",
    "import {\n  type Live,\n} from '../broker/live.ts'",
    "export { live } from '../broker/live.ts'",
    "await import('../broker/live.ts')",
    "new Worker(new URL('../broker/live.ts', import.meta.url))",
    "import '../broker/live.ts'",
  ])
    assert.equal(planted('src/ledger/chain.ts', text).length, 1, text)
})

test('what stands in a comment, or is named by a package, is no import of ours', () => {
  assert.deepEqual(
    edgesOf('src/words.ts', "// from '../broker/live.ts'\n/* import '../x.ts' */ import x from 'node:fs'"),
    [],
  )
})

test('a secret is revealed only in the listed files', () => {
  const call = 'const password = lease.password.revealLine()'
  assert.match(planted('src/protocol/postgres/relay.ts', call)[0] ?? '', /must not call revealLine/)
  assert.equal(planted('src/broker/open.ts', 'secret\n  .reveal()').length, 1)
  assert.deepEqual(planted('src/protocol/postgres/dial.ts', call), [])
  assert.deepEqual(planted('src/broker/leases/static.ts', call), [])
})

test('source outside every layer is named', () => {
  assert.match(planted('src/utils/misc.ts', '')[0] ?? '', /belongs to no layer/)
})

test('source does not reach into tests', () => {
  assert.match(
    planted('src/cli/demo.ts', "import { run } from '../../test/fixtures/run.ts'")[0] ?? '',
    /outside src/,
  )
})
