/**
 * Each example of a configuration in README.md and docs/ is one, without a warning. What a part leaves out comes from a
 * frame; but where an example says where the gateway listens, it says all of it.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { http } from '../protocol/http/index.ts'
import { protocols } from '../protocol/registry.ts'
import { parseConfig } from './parse.ts'

const root = new URL('../../', import.meta.url)
const sections = ['listen', 'issuers', 'connections', 'rules', 'people', 'scopes', 'limits']

interface Example {
  readonly at: string
  readonly value: unknown
}

/** Fenced blocks, and indented ones that begin with a section of the configuration. */
function examplesIn(file: string): Example[] {
  const text = readFileSync(new URL(file, root), 'utf8')
  const fenced = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)]
  const indented = [...text.matchAll(/(?<=\n\n) {4}(?:listen|connections|rules):.*\n(?:(?: {4}.*)?\n)*/g)]
  return [...fenced, ...indented].map(({ 0: whole, 1: inside, index }) => ({
    at: `${file}:${text.slice(0, index).split('\n').length}`,
    value: parse(inside ?? whole.replaceAll(/^ {4}/gm, '')),
  }))
}

const examples = [
  'README.md',
  ...globSync('docs/**/*.md', { cwd: root, exclude: ['docs/adr/**'] }).sort(),
].flatMap(examplesIn)
const isConfig = ({ value }: Example): boolean =>
  typeof value === 'object' && value !== null && sections.some(key => key in value)

/** Rules alone name the connections of the first pages. */
const [readme, smallest] = examples
  .filter(isConfig)
  .map(({ value }) => value as { connections: Record<string, object> })
const frame = {
  listen: { http: '127.0.0.1:8600', people: '127.0.0.1:8601' },
  issuers: { okta: { issuer: 'https://example.okta.com/oauth2/default', audience: 'api://postern' } },
}

/** What a page shows as `AAAA...`. */
const someKey = Buffer.concat([Buffer.from('\0\0\0\x0bssh-ed25519\0\0\0\x20'), Buffer.alloc(32, 9)]).toString(
  'base64',
)

for (const { at, value } of examples.filter(isConfig)) {
  test(`${at} is a configuration`, () => {
    const part = value as Record<string, unknown>
    const needs = 'rules' in part && !('connections' in part)
    const connections = needs ? { connections: { ...readme?.connections, ...smallest?.connections } } : {}
    const text = stringify({ ...frame, ...connections, ...part }).replaceAll('AAAA...', someKey)
    const { config, warnings } = parseConfig(Buffer.from(text), '/etc/postern.yaml', protocols)
    const meant = warnings.filter(({ message }) => 'rules' in part || !message.startsWith('no rule names'))
    assert.deepEqual(meant, [])
    for (const { connection, scope } of config.rules) {
      const spoken = protocols.get(config.connections.get(connection)?.protocol ?? '')
      assert.deepEqual(spoken?.scope.warnings?.(scope) ?? [], [])
    }
  })
}

test('scopes that stand alone are scopes', () => {
  const alone = examples.filter(({ value }) => typeof value === 'object' && value && 'scope' in value)
  assert.ok(alone.length >= 2)
  for (const { at, value } of alone) {
    assert.match(at, /http\.md/)
    assert.equal(http.scope.schema.safeParse((value as { scope: unknown }).scope).success, true, at)
  }
})

test('none is missed', () => {
  assert.ok(examples.filter(isConfig).length >= 9)
})
