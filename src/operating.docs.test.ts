/** The tables of docs/operating.md against the code: no metric, refusal or log line is missing there, or is not there any more. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { denials } from './denial.ts'
import { createMetrics } from './telemetry/metrics.ts'

const page = readFileSync(new URL('../docs/operating.md', import.meta.url), 'utf8')

/** The rows of the table with this heading, each a list of its cells. */
function table(heading: string): string[][] {
  const [, rows = ''] = page.split(`\n| ${heading} |`)
  const lines = rows.split('\n').slice(2)
  const end = lines.findIndex(line => !line.startsWith('| '))
  return lines.slice(0, end).map(line =>
    line
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}
const words = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)

test('every refusal is there, with its status and what to do', () => {
  const rows = table('code | HTTP | what to do')
  const listed = rows.map(([code, http]) => [words(code)[0], Number(http)])
  assert.deepEqual(
    listed,
    Object.entries(denials).map(([code, { http }]) => [code, http]),
  )
  assert.ok(rows.every(([, , cure]) => cure))
})

test('every metric of our own is there, with its labels', async () => {
  const known = (await createMetrics().registry.getMetricsAsJSON())
    .map(({ name }) => name)
    .filter(name => name.startsWith('postern_'))
  const rows = table('metric | labels | says')
  assert.deepEqual(rows.map(([name]) => words(name)[0]).sort(), known.sort())
  const source = readFileSync(new URL('./telemetry/metrics.ts', import.meta.url), 'utf8')
  for (const [name, labels] of rows) {
    const [, declared = ''] = source.split(`'${words(name)[0]}'`)
    const named = /^[^}]*labelNames: \[([^\]]*)\]/.exec(declared)?.[1] ?? ''
    assert.deepEqual(words(labels), named.match(/\w+/g) ?? [])
  }
})

test('every log line that is told is one that is written', () => {
  const folder = import.meta.dirname
  const source = globSync('**/*.ts', { cwd: folder, exclude: ['**/*.test.ts'] })
    .map(file => readFileSync(`${folder}/${file}`, 'utf8'))
    .join('\n')
  const rows = table('`msg` | what to do')
  assert.ok(rows.length > 5)
  for (const [msg] of rows) {
    const [text = '?'] = words(msg)
    assert.ok(source.includes(text), text)
  }
})
