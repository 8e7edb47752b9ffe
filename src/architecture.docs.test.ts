/** docs/architecture.md against the code: every step of the ways is named there, and every file that it names is there. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { layers } from '../scripts/layers.ts'

const read = (file: string) => readFileSync(new URL(file, import.meta.url), 'utf8')
const page = read('../docs/architecture.md')

test('every step of a way is named', () => {
  const pipeline = read('./pipeline.ts')
  const steps = [...pipeline.matchAll(/\.step\((?:step\.|function )?(\w+)/g)].map(([, name = '']) => name)
  assert.ok(steps.length > 20)
  for (const name of new Set(steps)) assert.ok(page.includes(`\`${name}\``), name)
})

test('every file and folder that is named is there', () => {
  const named = [...page.matchAll(/`([a-z-]+(?:\/[a-z0-9-]+)*(?:\/|\.ts))`/g)].map(([, path = '']) => path)
  assert.ok(named.length > 30)
  for (const path of named) {
    const places = [`./${path}`, `./protocol/postgres/${path}`, `../${path}`]
    const underData = /^(data|keys|recordings)\//.test(path)
    assert.ok(underData || places.some(place => existsSync(new URL(place, import.meta.url))), path)
  }
})

test('every layer that is named or checked is there', () => {
  for (const unit of layers.flat()) {
    const path = unit.replace(/\/\*$/, '')
    const places = [`./${path}`, `./${path}.ts`]
    assert.ok(
      places.some(place => existsSync(new URL(place, import.meta.url))),
      unit,
    )
  }
  assert.doesNotMatch(page, /agent-tools|\bbus\b/)
})
