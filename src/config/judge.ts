/**
 * A schema's verdict as problems with places: what zod says, in the house's words, and never with a value (attack 204).
 * An unknown key is a problem of its own, at the key, with the nearest known one.
 */
import type { z } from 'zod'
import { didYouMean, nearest } from './nearest.ts'
import { keyOf, type Problem, printable } from './problem.ts'
import type { Path, Source } from './source.ts'

/** Collects problems of one file. */
export type Report = (path: readonly PropertyKey[], message: string, of?: 'key' | 'value') => void

export function reporter(source: Source, into: Problem[], told: ReadonlySet<string> = new Set()): Report {
  return (path, message, of = 'value') => {
    const key = keyOf(path)
    if (key === '' || !told.has(key)) into.push({ ...source.place(path, of), key, message })
  }
}

/** What `schema` makes of the value at `path`, or undefined after reporting everything that is wrong with it. */
export function judge<T>(schema: z.ZodType<T>, value: unknown, path: Path, report: Report): T | undefined {
  const known = new Map<readonly string[], readonly string[]>()
  const result = schema.safeParse(value, {
    error: issue => {
      if (issue.code === 'unrecognized_keys') known.set(issue.keys, Object.keys(shapeOf(issue.inst)))
      return words(issue)
    },
  })
  if (result.success) return result.data
  const issues = result.error.issues.flatMap(meantOf)
  // A misspelt key is one mistake, not also a missing one.
  const meant = new Set(issues.flatMap(issue => misspelt(issue, known)))
  for (const issue of issues) {
    if (!isMissing(value, issue.path)) tell(issue, path, known, report)
    else if (!meant.has(keyOf(issue.path))) {
      report([...path, ...issue.path], issue.message === missing ? missing : `${missing}: ${issue.message}`)
    }
  }
  return undefined
}

type Known = ReadonlyMap<readonly string[], readonly string[]>

function misspelt(issue: Issue, known: Known): string[] {
  if (issue.code !== 'unrecognized_keys') return []
  return issue.keys.map(key => keyOf([...issue.path, nearest(key, known.get(issue.keys) ?? []) ?? key]))
}

const missing = 'missing'

/** Absent and not merely null: `key:` alone is `null`, which is a value of the wrong kind. */
export function isMissing(value: unknown, path: readonly PropertyKey[]): boolean {
  let at = value
  for (const part of path)
    at = at === null || typeof at !== 'object' ? null : (at as Record<PropertyKey, unknown>)[part]
  return at === undefined && path.length > 0
}

type Issue = z.core.$ZodIssue

function tell(issue: Issue, at: readonly PropertyKey[], known: Known, report: Report): void {
  const path = [...at, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys)
      report([...path, key], `unknown key${didYouMean(key, known.get(issue.keys) ?? [])}`, 'key')
    return
  }
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element') {
    for (const inner of issue.issues)
      report(path, inner.message, issue.code === 'invalid_key' ? 'key' : 'value')
    return
  }
  report(path, issue.message)
}

/** In place of a union's issue those of the branch that was meant, at their own paths. */
function meantOf(issue: Issue): readonly Issue[] {
  const meant = issue.code === 'invalid_union' ? meantBranch(issue.errors) : undefined
  if (meant === undefined) return [issue]
  return meant.flatMap(inner => meantOf({ ...inner, path: [...issue.path, ...inner.path] }))
}

type Branches = readonly (readonly Issue[])[]

/** Of a union's branches the one that was meant: its outer form fits, and it knows the most of the keys that are there. */
function meantBranch(errors: Branches): readonly Issue[] | undefined {
  const fitting = flat(errors).filter(branch => branch.length > 0 && branch.every(goesDeeper))
  const strange = (branch: readonly Issue[]) =>
    branch.reduce((sum, one) => sum + (one.code === 'unrecognized_keys' ? one.keys.length : 0), 0)
  const outer = (branch: readonly Issue[]) => strange(branch.filter(one => one.path.length === 0))
  return fitting.sort((a, b) => outer(a) - outer(b) || a.length - b.length)[0]
}

/** A union among a union's branches is more branches. */
function flat(errors: Branches): (readonly Issue[])[] {
  return errors.flatMap(branch => {
    const [only] = branch
    const isUnion = branch.length === 1 && only?.code === 'invalid_union' && only.path.length === 0
    return isUnion ? flat(only.errors) : [branch]
  })
}

function goesDeeper(issue: Issue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys'
}

function shapeOf(schema: unknown): object {
  return (schema as z.ZodObject | undefined)?.shape ?? {}
}

/** Schemas' own messages come first; this is for the rest. */
function words(issue: z.core.$ZodRawIssue): string {
  if (issue.input === undefined) return missing
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${nouns[issue.expected] ?? issue.expected}, not ${kindOf(issue.input)}`
    case 'invalid_value':
      return `must be ${oneOf(issue.values.map(String))}${typeof issue.input === 'string' ? didYouMean(issue.input, issue.values.map(String)) : ''}`
    case 'invalid_union':
      return unionWords(issue.errors) ?? 'has none of the forms it may have'
    case 'too_small':
      return `must be at least ${issue.minimum}${issue.origin === 'number' || issue.origin === 'int' ? '' : ' long'}`
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'number' || issue.origin === 'int' ? '' : ' long'}`
    default:
      return 'is not valid'
  }
}

/** What each branch says of the value itself: "must be a text, or must be a map". */
function unionWords(errors: readonly (readonly Issue[])[] | undefined): string | undefined {
  const said = new Set(
    (errors ?? []).flatMap(branch => branch.slice(0, 1).map(one => one.message.replace(/, not .*$/, ''))),
  )
  return said.size === 0 ? undefined : [...said].join(', or ')
}

function oneOf(values: readonly string[]): string {
  const shown = values.map(printable)
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`
}

const nouns: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  null: 'empty',
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return 'a list'
  return nouns[typeof value] ?? typeof value
}
