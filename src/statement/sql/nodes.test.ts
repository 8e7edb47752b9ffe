import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { nodes } from './nodes.ts'

/** The parser's own declaration of its tree: node, then field, then the field's type. */
function declared(): Map<string, Map<string, string>> {
  // The types come with the parser, from a package of their own.
  const types = '@pgsql/types'
  const index = createRequire(import.meta.resolve('libpg-query')).resolve(types)
  const text = readFileSync(join(dirname(index), 'types.d.ts'), 'utf8')
  return new Map(
    [...text.matchAll(/export interface (\w+) \{([^}]*)\}/g)].map(([, name = '', body = '']) => [
      name,
      new Map([...body.matchAll(/(\w+)\?: ([^;]+);/g)].map(([, field = '', type = '']) => [field, type])),
    ]),
  )
}

const tree = declared()

test('every node and field that the walk knows is the parser’s, and holds what the parser says', () => {
  const wrong: string[] = []
  for (const [name, shape] of Object.entries(nodes)) {
    for (const [field, holds] of Object.entries(shape)) {
      const type = tree.get(name)?.get(field)
      const known =
        type === undefined
          ? 'nothing'
          : type === 'Node' || type === 'Node[]'
            ? '*'
            : tree.has(type)
              ? type
              : null
      // typmod stands in the JSON of a few nodes that the declaration spells typeMod.
      if (known !== holds && field !== 'typmod') wrong.push(`${name}.${field}: ${type}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('no part that can hold an expression is taken for a plain value', () => {
  const plain = Object.entries(nodes).flatMap(([name, shape]) =>
    Object.entries(shape)
      .filter(
        ([field, holds]) => holds === null && /Node|Stmt|Clause|Expr/.test(tree.get(name)?.get(field) ?? ''),
      )
      .map(([field]) => `${name}.${field}`),
  )
  // Enumerations whose names look like nodes.
  assert.deepEqual(
    plain.filter(one => !/(op|kind|action|Type|strength|commandType)$/.test(one)),
    [],
  )
})
