import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
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
