/**
 * The `file:` and `env:` references of a file: made absolute before a schema sees them, and listed with their places.
 *
 * Only where a reference may stand: under `listen.tls` and a connection's `target` and `lease`. Elsewhere `file:x` is a text.
 */
import { resolve } from 'node:path'
import type { Path } from './source.ts'

export interface Reference {
  /** `env:NAME` or `file:/absolute/path`. */
  readonly ref: string
  readonly path: Path
}

export interface Referenced {
  readonly data: unknown
  readonly references: readonly Reference[]
}

export function absolutise(data: unknown, folder: string): Referenced {
  const references: Reference[] = []
  const walk = (value: unknown, path: Path): unknown => {
    if (mayHold(path) === 'nothing') return value
    if (typeof value === 'string' && mayHold(path) === 'references') return keep(value, path)
    if (Array.isArray(value)) return value.map((item, index) => walk(item, [...path, index]))
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]))
  }
  const keep = (text: string, path: Path): string => {
    const isFile = text.startsWith('file:') && text.length > 'file:'.length
    const ref = isFile ? `file:${resolve(folder, text.slice('file:'.length))}` : text
    if (isFile || text.startsWith('env:')) references.push({ ref, path })
    return ref
  }
  return { data: walk(data, []), references }
}

function mayHold(path: Path): 'nothing' | 'more' | 'references' {
  const [section, , part] = path
  if (section === undefined) return 'more'
  if (section === 'listen') return path.length < 2 ? 'more' : path[1] === 'tls' ? 'references' : 'nothing'
  if (section !== 'connections') return 'nothing'
  return path.length < 3 ? 'more' : part === 'target' || part === 'lease' ? 'references' : 'nothing'
}
