import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { type Requirement, requirements } from './requirements.ts'

const root = resolve(import.meta.dirname, '../..')

/** The names of a file's tests, as they are written there. One made of a template is its text up to the first `${`. */
function testNames(source: string): string[] {
  const names = [
    ...source.matchAll(/\btest\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g),
  ]
  const written = names.map(([, single, double, template]) => single ?? double ?? template ?? '')
  // Tables of tests: name and cases.
  const keys = [...source.matchAll(/^ {2}(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"): \[/gm)]
  return [...written, ...keys.map(([, single, double]) => single ?? double ?? '')].map(name =>
    name.replaceAll("\\'", "'"),
  )
}

/** What is wrong with how a requirement is proven. */
function unproven({ id, proof }: Requirement, read: (file: string) => string | undefined): string[] {
  if (proof.length === 0) return [`${id} has no test`]
  return proof.flatMap(([file, name]) => {
    const source = read(file)
    if (source === undefined) return [`${id}: there is no ${file}`]
    const found = testNames(source).filter(one => one.startsWith(name))
    return found.length > 0 ? [] : [`${id}: ${file} has no test '${name}...'`]
  })
}

function read(file: string): string | undefined {
  const path = resolve(root, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

test('every requirement has a test, and every test that is named exists', () => {
  assert.deepEqual(
    requirements.flatMap(requirement => unproven(requirement, read)),
    [],
  )
})

test('every id stands once, and all ten invariants are there', () => {
  const ids = requirements.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  for (let invariant = 1; invariant <= 10; invariant++)
    assert.ok(
      requirements.some(({ source }) => source === `invariant ${invariant}`),
      `invariant ${invariant}`,
    )
})

test('a requirement without a test, with a file that is gone or a name that is gone is caught', () => {
  const planted = { id: 'X', source: 'nowhere', says: 'nothing' }
  const file = "test('a sentence: true', () => 1)"
  assert.equal(unproven({ ...planted, proof: [] }, () => file).length, 1)
  assert.equal(unproven({ ...planted, proof: [['gone.ts', 'a']] }, () => undefined).length, 1)
  assert.equal(unproven({ ...planted, proof: [['is.ts', 'another']] }, () => file).length, 1)
  assert.equal(unproven({ ...planted, proof: [['is.ts', 'a sentence']] }, () => file).length, 0)
})
