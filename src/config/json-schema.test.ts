import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { protocols } from '../protocol/registry.ts'
import { jsonSchema } from './json-schema.ts'
import { sample } from './sample.fixture.ts'
import { twoProtocols } from './two-protocols.fixture.ts'

const schema = z.fromJSONSchema(jsonSchema(twoProtocols) as Parameters<typeof z.fromJSONSchema>[0])
const accepts = (text: string) => schema.safeParse(parse(text)).success

test("the JSON Schema accepts the design's own configuration, and empty sections", () => {
  assert.ok(accepts(sample))
  assert.ok(
    accepts(
      'listen: { http: "127.0.0.1:1" }\nissuers: { a: { issuer: "https://a", audience: x } }\nconnections:\nrules:\n',
    ),
  )
})

test('a limit that may be null, and is a number or a text, is taken as each of them', () => {
  const all = every('idle_timeout', jsonSchema(protocols))
  assert.ok(all.length > 0)
  for (const one of all) {
    const limit = z.fromJSONSchema(one as Parameters<typeof z.fromJSONSchema>[0])
    for (const good of ['10m', 5000, null]) assert.ok(limit.safeParse(good).success, String(good))
    for (const bad of ['10 minutes', 0, true, {}]) assert.ok(!limit.safeParse(bad).success, String(bad))
  }
})

/** What this property may be, wherever there is one. */
function every(property: string, json: unknown): unknown[] {
  if (typeof json !== 'object' || json === null) return []
  return Object.entries(json).flatMap(([key, value]) => (key === property ? [value] : every(property, value)))
}

const refused: readonly (readonly [string, string])[] = [
  ['rules:\n', 'rulez:\n'],
  ['connection: web-1', 'conection: web-1'],
  ['protocol: ssh', 'protocol: shh'],
  ['env:ORDERS_PASSWORD', 'hunter2'],
  ['[RS256]', '[HS256]'],
  ['introspect: never', 'signals: {}'],
  ['statements: [select], tables', 'shell: true, tables'],
  ['ttl: 10m', 'ttl: 10'],
  ['connection: web-1', 'connection: "*"'],
  [', scope: { shell: true, exec: ["*"], sftp: read }', ''],
]

for (const [from, to] of refused) {
  test(`the JSON Schema refuses "${to.trim()}"`, () => {
    assert.ok(sample.includes(from))
    assert.equal(accepts(sample.replace(from, to)), false)
  })
}
