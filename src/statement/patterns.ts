/**
 * Lists of patterns, and how two of them meet. Patterns cannot be intersected as text, so lists are kept side by side
 * under `all_of`, and each must match. Pure; what a pattern is and matches is its owner's affair.
 */
import { isDeepStrictEqual } from 'node:util'

/** One list, or several of which each must match. */
export type Patterns<One> = readonly One[] | { readonly all_of: readonly (readonly One[])[] }

export function listsOf<One>(patterns: Patterns<One>): readonly (readonly One[])[] {
  return 'all_of' in patterns ? patterns.all_of : [patterns]
}

/** One of the lists is empty: nothing matches. */
export function matchNothing<One>(patterns: Patterns<One>): boolean {
  return listsOf(patterns).some(list => list.length === 0)
}

/**
 * What both let through. A list that holds another adds nothing, for what matches the smaller matches it too: so asking
 * for some of a rule's patterns gives just those. `everything` names the patterns that match whatever there is.
 */
export function meetPatterns<One>(
  a: Patterns<One>,
  b: Patterns<One>,
  everything: readonly One[],
): Patterns<One> {
  const all = [...listsOf(a), ...listsOf(b)]
  if (all.some(list => list.length === 0)) return []
  const implies = (smaller: readonly One[], larger: readonly One[]) =>
    everything.some(one => larger.includes(one)) ||
    smaller.every(one => larger.some(other => isDeepStrictEqual(one, other)))
  const lists = all.filter(
    (list, i) => !all.some((other, j) => i !== j && implies(other, list) && (j < i || !implies(list, other))),
  )
  const [only] = lists
  return only !== undefined && lists.length === 1 ? only : { all_of: lists }
}
