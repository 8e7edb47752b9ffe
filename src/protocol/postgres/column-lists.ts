/** The lists of columns of several who all must allow: one beside another, for people and for statements, and each by itself. Pure. */

export type ColumnLists = Readonly<Record<string, readonly string[]>>

interface Said {
  readonly columns?: ColumnLists | undefined
  readonly columns_apart?: readonly ColumnLists[] | undefined
}

/** A table that either side limits is limited; one that both limit has what both name. */
export function meetColumns(ours: ColumnLists, theirs: ColumnLists): ColumnLists {
  const met = Object.entries(ours).map(
    ([name, list]) => [name, Object.hasOwn(theirs, name) ? meetLists(list, theirs[name]) : list] as const,
  )
  return Object.fromEntries([
    ...Object.entries(theirs).filter(([name]) => !Object.hasOwn(ours, name)),
    ...met,
  ])
}

export function meetLists(ours: readonly string[], theirs: readonly string[] | undefined): readonly string[] {
  if (theirs === undefined) return ours
  const both = new Set(theirs)
  return ours.filter(one => both.has(one))
}

/** All that a scope says of columns, in one: each of it holds. */
export const everyList = ({ columns = {}, columns_apart = [] }: Said): readonly ColumnLists[] => [
  columns,
  ...columns_apart,
]

/**
 * The lists as each side said them, where they are not one side's. A child table's own list gives more than its parent's
 * gives the child, and whose it is must be known in the database, where families are: a list that a request brings must not
 * give back what the rule's leaves out of the parent.
 */
export function meetApart(ours: Said, theirs: Said): readonly ColumnLists[] {
  const sides = [...sidesOf(ours), ...sidesOf(theirs)]
  // Sets, for a request may bring dozens of lists of hundreds.
  const given = sides.map(
    side => new Map(Object.entries(side).map(([table, list]) => [table, new Set(list)])),
  )
  // Of two of which one gives nothing that the other does not, the narrower is enough; of equals the first.
  const needed = sides.filter((_, i) => {
    const one = given[i] as Given
    return !given.some((other, j) => within(other, one) && (j < i || (j > i && !within(one, other))))
  })
  return needed.length > 1 ? needed : []
}

function sidesOf({ columns = {}, columns_apart = [] }: Said): readonly ColumnLists[] {
  if (columns_apart.length > 0) return columns_apart
  return Object.keys(columns).length > 0 ? [columns] : []
}

type Given = ReadonlyMap<string, ReadonlySet<string>>

/** In whichever families the tables are: only where both limit the same ones. */
function within(one: Given, other: Given): boolean {
  const subset = ([table, columns]: [string, ReadonlySet<string>]): boolean => {
    const others = other.get(table)
    return others !== undefined && columns.isSubsetOf(others)
  }
  return one.size === other.size && one.entries().every(subset)
}
