/** Entries of a scope's table lists: `schema.name`, or `schema.*` for every relation of a schema. Pure. */

/**
 * Whether an entry covers a relation. `schema.*` leaves out names that begin with `pg_`: extensions put views like
 * pg_stat_statements, which show other people's statements, into public (attack 86); those want naming one by one.
 */
export function covers(entry: string, relation: string): boolean {
  if (entry === relation) return true
  if (!entry.endsWith('.*')) return false
  const schema = entry.slice(0, -1)
  return relation.startsWith(schema) && !relation.startsWith('pg_', schema.length)
}

const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

/** Whether an entry of a scope's list covers a relation, however long the list: one statement may name thousands (attack 103). */
export function permits(list: readonly string[], relation: string): boolean {
  const known = sets.get(list)
  const entries = known ?? new Set(list)
  if (known === undefined) sets.set(list, entries)
  if (entries.has(relation)) return true
  const star = `${relation.slice(0, relation.indexOf('.'))}.*`
  return entries.has(star) && covers(star, relation)
}

/** What both lists cover. */
export function meetNames(ours: readonly string[], theirs: readonly string[]): readonly string[] {
  const met = new Set<string>()
  for (const our of ours) {
    for (const their of theirs) {
      if (covers(their, our)) met.add(our)
      else if (covers(our, their)) met.add(their)
    }
  }
  return [...met]
}

/**
 * Names that only one of two sides wrote, where the other wrote a star. An agent that asks for a name out of `schema.*` must
 * not get by it what the star leaves out: whose name a name is must be known as long as it stands. Of each list by itself:
 * whoever asks for less of one must not get by it more of another.
 */
export function meetStars(ours: Listed, theirs: Listed): readonly string[] {
  const [our = [], their] = [ours.list, theirs.list]
  const met = their === undefined ? our : meetNames(our, their)
  const starred = met.filter(
    name =>
      !name.endsWith('.*') &&
      (ours.starred?.includes(name) ||
        theirs.starred?.includes(name) ||
        !our.includes(name) ||
        their?.includes(name) === false),
  )
  return [...new Set(starred)].sort()
}

interface Listed {
  readonly list: readonly string[] | undefined
  readonly starred: readonly string[] | undefined
}
