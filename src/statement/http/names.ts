/**
 * Lists of names with a `*` at the end: headers, query parameters, content types. Two such lists meet in one of the same
 * kind, so nothing more than a list is ever needed. Pure.
 */

/** `*`, `x-*`, `image/*` cover what begins so; anything else itself. */
export function coversName(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

export const inNames = (patterns: readonly string[], name: string): boolean =>
  patterns.some(pattern => coversName(pattern, name))

/** What both lists cover: of two patterns of which one covers the other, the narrower. */
export function meetNames(a: readonly string[], b: readonly string[]): readonly string[] {
  const kept = new Set<string>()
  for (const one of a) {
    for (const other of b) {
      if (coversPattern(one, other)) kept.add(other)
      else if (coversPattern(other, one)) kept.add(one)
    }
  }
  return [...kept].filter(one => ![...kept].some(other => other !== one && coversPattern(other, one)))
}

function coversPattern(wide: string, narrow: string): boolean {
  if (wide === narrow) return true
  return wide.endsWith('*') && narrow.startsWith(wide.slice(0, -1))
}
