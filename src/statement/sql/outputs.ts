/**
 * What a sub-select in FROM or a CTE gives out: which of its columns are masked ones of relations, as they are, and what they
 * are called there. The server follows the same columns (`markTargetListOrigin`), and by what it then says the relay masks.
 * Pure.
 */

/** A masked column under the name that it has in one thing in FROM. */
export interface Hidden {
  readonly name: string
  /** The relation's, `schema.table.column`. */
  readonly of: string
  /** It is that one: not only a name that may mean it. */
  readonly sure: boolean
}

/** Columns as they stand: a masked one, one that is not, or any number of these. */
export type Output = readonly (Hidden | 'one' | 'many')[]

export const unmasked: Output = ['many']

export const hiddenIn = (output: Output): readonly Hidden[] => output.filter(one => typeof one !== 'string')

/** `s(a, b)`: the first columns are called so. Undefined where nobody here can count which these are, and one of them may be masked. */
export function renamed(output: Output, names: readonly string[]): Output | undefined {
  if (names.length === 0 || hiddenIn(output).length === 0) return output
  const counted = output.indexOf('many')
  if (counted >= 0 && counted < names.length) return undefined
  return output.map((one, i) => (typeof one === 'string' ? one : { ...one, name: names[i] ?? one.name }))
}
