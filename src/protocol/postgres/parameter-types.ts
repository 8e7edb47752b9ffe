/**
 * The types that a Parse may give its parameters, by number. A statement's own casts are judged by name; a number in the
 * message would be a cast that no parser sees. Pure.
 */

const numbers = (text: string): ReadonlySet<number> => new Set(text.trim().split(/\s+/).map(Number))

/**
 * reg* but for text search, aclitem, and their arrays: reading such a value looks a name up in the catalogue, and so tells
 * what there is (attack 84).
 */
const lookups = numbers(
  '24 1008 1033 1034 2202 2203 2204 2205 2206 2207 2208 2209 2210 2211 4089 4090 4096 4097 4191 4192',
)

/** Rows of catalogue tables hold such columns. */
const catalogueRows = numbers('71 75 81 83 210 270 272 273 1248 2842 2843 4066 6101')

/** Numbers from here on are not the same on every server: rows of system views, and what users made. */
const OWN = 10_000

/** Whether the server may be told that a parameter has this type. 0 leaves it to the server. */
export function mayBeParameter(type: number, catalog: boolean): boolean {
  if (type >= OWN || catalogueRows.has(type)) return false
  return catalog || !lookups.has(type)
}
