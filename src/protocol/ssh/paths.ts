/**
 * Which files may be read and written over sftp and scp: everything, nothing, or what lies under given directories.
 * Pure. A prefix is a whole directory: `/srv/data` holds `/srv/data/x`, never `/srv/database` (attack 117).
 */
import { z } from 'zod'

export type SftpScope =
  | 'none'
  | 'read'
  | 'write'
  | { readonly read: readonly string[]; readonly write: readonly string[]; readonly max_bytes?: number }

export interface Paths {
  readonly read: readonly string[]
  readonly write: readonly string[]
  /** Of one file, read or written. */
  readonly maxBytes: number
}

export const unlimited = Number.MAX_SAFE_INTEGER
const root = '/'

const prefix = z
  .string()
  .max(1024)
  .regex(/^\/([^/]+\/?)*$/, 'a prefix is an absolute path')
  .refine(text => !/[\p{Cc}]/u.test(text), 'a prefix holds no control characters')
  .refine(text => !text.split('/').some(part => part === '.' || part === '..'), 'a prefix holds no . or ..')
  .refine(text => !text.includes('*'), 'a prefix is a directory and all below it; there are no patterns')

export const sftpSchema = z
  .union([
    z.enum(['none', 'read', 'write']),
    z.strictObject({
      read: z.array(prefix).max(64).default([]),
      write: z.array(prefix).max(64).default([]),
      max_bytes: z.number().int().min(1).max(unlimited).optional(),
    }),
  ])
  .transform((said): SftpScope => scopeOf(pathsOf(said as SftpScope)))

export function pathsOf(scope: SftpScope): Paths {
  if (scope === 'none') return { read: [], write: [], maxBytes: unlimited }
  if (scope === 'read') return { read: [root], write: [], maxBytes: unlimited }
  if (scope === 'write') return { read: [root], write: [root], maxBytes: unlimited }
  return { read: scope.read, write: scope.write, maxBytes: scope.max_bytes ?? unlimited }
}

/** The shortest way to say it, so that equal scopes look equal. */
function scopeOf(paths: Paths): SftpScope {
  const read = tidy(paths.read)
  const write = tidy(paths.write)
  if (read.length === 0 && write.length === 0) return 'none'
  if (paths.maxBytes === unlimited && everywhere(read)) {
    if (write.length === 0) return 'read'
    if (everywhere(write)) return 'write'
  }
  return { read, write, ...(paths.maxBytes === unlimited ? {} : { max_bytes: paths.maxBytes }) }
}

export function meetSftp(a: SftpScope, b: SftpScope): SftpScope {
  const [one, other] = [pathsOf(a), pathsOf(b)]
  return scopeOf({
    read: meetPrefixes(one.read, other.read),
    write: meetPrefixes(one.write, other.write),
    maxBytes: Math.min(one.maxBytes, other.maxBytes),
  })
}

function meetPrefixes(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...a.filter(one => under(b, one)), ...b.filter(one => under(a, one))]
}

/** Without doubles, trailing slashes and what another one holds already; in order. */
function tidy(prefixes: readonly string[]): readonly string[] {
  const all = [...new Set(prefixes.map(one => (one === root ? one : one.replace(/\/$/, ''))))].sort()
  return all.filter(one => !all.some(other => other !== one && under([other], one)))
}

/** `path` is absolute and has no `.` or `..`: the host's own answer, or {@link lexical}. */
export function under(prefixes: readonly string[], path: string): boolean {
  return prefixes.some(one => one === root || path === one || path.startsWith(`${one}/`))
}

export function everywhere(prefixes: readonly string[]): boolean {
  return prefixes.includes(root)
}

/** Relative paths begin where the host begins; where that is out of scope, at the first prefix. */
export function startOf(scope: Pick<Paths, 'read' | 'write'>, home: string): string {
  const all = [...scope.read, ...scope.write]
  return under(all, home) ? home : (all[0] ?? '/')
}

/** What a path would be if there were no links: a first look, never the last. */
export function lexical(path: string, start: string): string {
  const parts: string[] = []
  for (const part of (path.startsWith('/') ? path : `${start}/${path}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

export function sftpWords(scope: SftpScope): string | undefined {
  if (scope === 'none') return undefined
  if (scope === 'read') return 'sftp read'
  if (scope === 'write') return 'sftp read and write'
  const parts = [
    ...(scope.read.length === 0 ? [] : [`read ${scope.read.join(', ')}`]),
    ...(scope.write.length === 0 ? [] : [`write ${scope.write.join(', ')}`]),
    ...(scope.max_bytes === undefined ? [] : [`at most ${scope.max_bytes} bytes a file`]),
  ]
  return `sftp ${parts.join(', ')}`
}
