/**
 * The text of postern.yaml as plain data that remembers where each part stood.
 *
 * Takes a small YAML 1.2: one document, plain decimal numbers, no anchors, aliases, tags, directives or merge keys
 * (attack 198), no key twice, nothing that reads differently under YAML 1.1 (attack 202). Messages of the parser itself are
 * never shown, since they quote the text and a misplaced secret with it (attack 204).
 */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml'
import { keyOf, type Place, type Problem } from './problem.ts'

export type Path = readonly (string | number)[]

export interface Source {
  readonly data: unknown
  /** Where the value at a path stands, or its key; for what is missing, what it is missing from. */
  place(path: readonly PropertyKey[], of?: 'key' | 'value'): Place
  readonly problems: readonly Problem[]
}

/** Far more than any policy needs, and little enough to be parsed in a moment. */
export const maxBytes = 1024 * 1024
const maxDepth = 32

export function readSource(text: string): Source {
  const lines = new LineCounter()
  let document: Document.Parsed<ParsedNode>
  const nowhere: Source = {
    data: undefined,
    place: () => start,
    problems: [{ ...start, key: '', message: 'nested too deeply to be read' }],
  }
  try {
    document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      lineCounter: lines,
      // Not 'silent': that also silences the error of a second document, and the parser then drops what it holds.
      logLevel: 'error',
      prettyErrors: false,
    })
  } catch (error) {
    // A megabyte of "[" exhausts the parser's stack.
    if (error instanceof RangeError) return nowhere
    throw error
  }
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return line === 0 ? start : { line, column: col }
  }
  const problems: Problem[] = document.errors
    .slice(0, 1)
    .map(error => ({ ...placeAt(error.pos[0]), key: '', message: syntax(error) }))
  // One alone: after it the parser has gone on with a guess, and what it guessed is not worth judging.
  if (problems.length > 0) return { data: undefined, place: () => start, problems }
  if (document.directives.yaml.explicit === true)
    problems.push({ ...start, key: '', message: 'YAML directives are not taken' })
  const data = plain(document.contents, [], (node, path, message) => {
    problems.push({ ...placeAt(node.range?.[0] ?? 0), key: keyOf(path), message })
  })
  const place = (path: readonly PropertyKey[], of: 'key' | 'value' = 'value') =>
    placeAt(offsetOf(document.contents, path, of))
  return { data, place, problems }
}

const start: Place = { line: 1, column: 1 }

type Report = (node: Node, path: Path, message: string) => void

function plain(node: Node | null, path: Path, report: Report): unknown {
  if (node === null) return null
  if (isAlias(node))
    return report(node, path, 'aliases are not taken: write the value out, or name a scope under `scopes`')
  if (node.tag !== undefined) return report(node, path, 'tags are not taken')
  if ('anchor' in node && node.anchor !== undefined)
    return report(node, path, 'anchors are not taken: name a scope under `scopes` instead')
  if (path.length > maxDepth) return report(node, path, 'nested too deeply')
  if (isMap(node)) return plainMap(node, path, report)
  if (isSeq(node)) return node.items.map((item, index) => plain(item as Node, [...path, index], report))
  if (!isScalar(node)) throw new TypeError('a YAML node of no known kind')
  const { value, source } = node
  if (typeof value === 'number' && !/^-?(0|[1-9][0-9]{0,14})$/.test(source ?? '')) {
    return report(node, path, 'numbers are plain decimal integers; quote it if it is a text')
  }
  return value
}

function plainMap(node: YAMLMap, path: Path, report: Report): Record<string, unknown> {
  const data: Record<string, unknown> = {}
  const seen = new Set<string>()
  for (const { key, value } of node.items) {
    if (!isScalar(key) || typeof key.value !== 'string') {
      report(isNode(key) ? key : node, path, 'a key must be a text; quote it')
    } else if (
      key.anchor !== undefined ||
      key.tag !== undefined ||
      key.value === '__proto__' ||
      key.value === '<<'
    ) {
      report(key, path, 'this is not a key')
    } else if (seen.has(key.value)) {
      report(key, [...path, key.value], 'this key stands here for the second time')
    } else {
      seen.add(key.value)
      data[key.value] = plain(value as Node | null, [...path, key.value], report)
    }
  }
  return data
}

function isNode(value: unknown): value is Node {
  return isScalar(value) || isMap(value) || isSeq(value) || isAlias(value)
}

function offsetOf(root: Node | null, path: readonly PropertyKey[], of: 'key' | 'value'): number {
  let node = root
  let offset = root?.range?.[0] ?? 0
  for (const [depth, part] of path.entries()) {
    if (isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && item.key.value === part)
      if (pair === undefined) return offset
      const [key, value] = [pair.key as Node, pair.value as Node | null]
      offset = (of === 'key' && depth === path.length - 1 ? key : (value ?? key)).range?.[0] ?? offset
      node = value
    } else if (isSeq(node)) {
      const item = typeof part === 'number' ? (node.items[part] as Node | undefined) : undefined
      if (item === undefined) return offset
      offset = item.range?.[0] ?? offset
      node = item
    } else return offset
  }
  return offset
}

function syntax({ code }: YAMLError): string {
  return syntaxErrors[code] ?? 'this is not valid YAML'
}

const syntaxErrors: Partial<Record<YAMLError['code'], string>> = {
  TAB_AS_INDENT: 'tabs do not indent in YAML: use spaces',
  BAD_INDENT: 'this line is not indented as those around it',
  MULTIPLE_DOCS: 'one file holds one document',
  MISSING_CHAR: 'a closing quote, bracket or a ":" is missing',
  TAG_RESOLVE_FAILED: 'tags are not taken',
  BAD_ALIAS: 'aliases are not taken',
  BAD_SCALAR_START: 'a text that begins so must be quoted',
  BAD_DQ_ESCAPE: 'an unknown escape in a quoted text',
  UNEXPECTED_TOKEN: 'unexpected here',
}
