/**
 * Paths into JSON (a part of RFC 9535): `$`, then `.name`, `['any name']`, `[*]` or `.*` for every member, `..name` for that
 * name at whatever depth. Pure; a path without a reading is a problem for whoever writes the configuration.
 */

import { isNumber } from './json.ts'

type Step = { readonly name: string } | { readonly every: true } | { readonly below: string }
export type JsonPath = readonly Step[]

const longest = 512
const mostSteps = 32
const step =
  /^(?:\.\.([A-Za-z_][\w-]*)|\.(\*)|\[(\*)\]|\.([A-Za-z_$][\w$-]*)|\['((?:[^'\\\p{Cc}]){1,128})'\])/u

export function readJsonPath(text: string): JsonPath | { readonly problem: string } {
  if (text.length > longest) return { problem: `a path has at most ${longest} characters` }
  if (!text.startsWith('$') || text === '$')
    return { problem: 'a path begins with $ and names something: $.items[*].email' }
  const steps: Step[] = []
  for (let rest = text.slice(1); rest !== ''; ) {
    const read = step.exec(rest)
    if (read === null)
      return { problem: `a path has .name, ['name'], [*], .* and ..name, not ${rest.slice(0, 32)}` }
    const [whole, below, everyDot, every, plain, quoted] = read
    if (below !== undefined) steps.push({ below })
    else if (everyDot !== undefined || every !== undefined) steps.push({ every: true })
    else steps.push({ name: plain ?? quoted ?? '' })
    if (steps.length > mostSteps) return { problem: `a path has at most ${mostSteps} steps` }
    rest = rest.slice(whole.length)
  }
  return steps
}

/** Replaces, in place, each value that the path leads to. `value` is what JSON.parse made. */
export function replaceAt(value: unknown, path: JsonPath, by: (found: unknown) => unknown): void {
  const [first, ...rest] = path
  if (first === undefined || typeof value !== 'object' || value === null || isNumber(value)) return
  const object = value as Record<string, unknown>
  const meet = (key: string) => {
    if (!Object.hasOwn(object, key)) return
    if (rest.length > 0) replaceAt(object[key], rest, by)
    else set(object, key, by(object[key]))
  }
  if ('name' in first) {
    if (!Array.isArray(value)) meet(first.name)
    return
  }
  for (const key of Object.keys(object)) {
    if ('every' in first) meet(key)
    else {
      if (!Array.isArray(value) && key === first.below) meet(key)
      replaceAt(object[key], path, by)
    }
  }
}

/** A member named __proto__ is a member like any other. */
function set(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
