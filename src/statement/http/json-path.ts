/**
 * Paths into JSON (a part of RFC 9535): `$`, then `.name`, `['any name']`, `[*]` or `.*` for every member, `..name` for that
 * name at whatever depth. Pure; a path without a reading is a problem for whoever writes the configuration.
 */

import { isNumber, setMember } from './json.ts'

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
  walk(value, path, 0, { by, walked: path.map(() => new Set()) })
}

interface Replacing {
  by(found: unknown): unknown
  /** What a `..` has been through: where one stands below another, each would come by again for each level above it. */
  readonly walked: readonly Set<object>[]
}

function walk(value: unknown, path: JsonPath, at: number, how: Replacing): void {
  const step = path[at]
  if (step === undefined || !isContainer(value)) return
  const meet = (key: string | number) => {
    const member = (value as Record<string | number, unknown>)[key]
    if (at + 1 < path.length) walk(member, path, at + 1, how)
    else setMember(value, key, how.by(member))
  }
  if ('name' in step) {
    if (!Array.isArray(value) && Object.hasOwn(value, step.name)) meet(step.name)
  } else if ('every' in step) {
    for (const key of keysOf(value)) meet(key)
  } else {
    if (at > 0 && how.walked[at]?.has(value)) return
    if (at > 0) how.walked[at]?.add(value)
    for (const key of keysOf(value)) {
      if (key === step.below) meet(key)
      const member = (value as Record<string | number, unknown>)[key]
      if (typeof member === 'object') walk(member, path, at, how)
    }
  }
}

/** Of a list its numbers: their names would be so many strings. */
const keysOf = (value: object): Iterable<string | number> =>
  Array.isArray(value) ? value.keys() : Object.keys(value)

const isContainer = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !isNumber(value)
