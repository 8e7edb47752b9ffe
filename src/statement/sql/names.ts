/**
 * Names as the server resolves them under the search_path that the gateway fixes: `pg_catalog`, one schema (`public`), with
 * `pg_temp` last or absent (attacks 76, 77).
 */
import { otherFunctions, vettedFunctions } from './functions.gen.ts'
import type { Place, Tree } from './place.ts'
import { mayHave, refuseLacking } from './versions.ts'

/**
 * An identifier. The server keeps 63 bytes, and where it cuts a longer name of several bytes a character depends on
 * its encoding: what may have been cut otherwise there than here is refused (attack 79).
 */
export function identifier(text: string, at: Place): string {
  const bytes = Buffer.byteLength(text)
  if (bytes > 63 || (bytes > 59 && bytes !== text.length))
    at.refuse('a name of more than 63 bytes is not permitted')
  return text
}

/** The strings of a dotted name; anything else in it, such as a star, is left out. */
export function parts(nodes: unknown, at: Place): string[] {
  if (!Array.isArray(nodes)) return []
  return nodes.flatMap(node => {
    const text = (node as { String?: { sval?: string } }).String?.sval
    return text === undefined ? [] : [identifier(text, at)]
  })
}

/** A relation's `schema.name`. Every relation of pg_catalog, and none that should be listed, is bare `pg_...`. */
export function relationName(range: Tree, at: Place): string {
  const name = identifier(String(range.relname ?? ''), at)
  if (range.schemaname !== undefined) {
    const schema = identifier(String(range.schemaname), at)
    // `"public.x".y` would read like a table of `public`.
    if (schema.includes('.')) at.refuse(`schema ${schema} cannot be named: there is a dot in its name`)
    return `${schema}.${name}`
  }
  return `${name.startsWith('pg_') ? 'pg_catalog' : at.notes.limits.own.schema}.${name}`
}

/** A function's `schema.name`. */
export function functionName(names: readonly string[], at: Place): string {
  const [first = '', second] = names
  if (names.length > 2) at.refuse(`function ${names.join('.')} is named through a database`)
  if (first === 'pg_catalog' && second !== undefined) refuseLacking(second, at)
  if (second !== undefined) return `${first}.${second}`
  const listed = vettedFunctions.has(first) || otherFunctions.has(first) || first.startsWith('pg_')
  const builtIn = listed && mayHave(first, at)
  // The better fit of all on the search_path is called, not the first.
  const { schema, names: own } = at.notes.limits.own
  return `${builtIn && !own.includes(first) ? 'pg_catalog' : schema}.${first}`
}

/** Whether a resolved function is a built-in without side effects. */
export function isVetted(name: string): boolean {
  return name.startsWith('pg_catalog.') && vettedFunctions.has(name.slice('pg_catalog.'.length))
}
