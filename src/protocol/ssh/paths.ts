/**
 * Which files may be read and written over sftp and scp: everything, nothing, or what lies under given directories.
 * Pure. A prefix is a whole directory: `/srv/data` holds `/srv/data/x`, never `/srv/database` (attack 117).
 */
import { z } from 'zod'

export type SftpScope =
  | 'none'
  | 'read'
  | 'write'
  | {
      readonly read: readonly string[]
      readonly write: readonly string[]
      readonly max_bytes?: number
      readonly rename?: false
    }

export interface Paths {
  readonly read: readonly string[]
  readonly write: readonly string[]
  /** Of one file, read or written. */
  readonly maxBytes: number
  readonly rename: boolean
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
      rename: z.boolean().optional(),
    }),
  ])
  .transform((said): SftpScope => scopeOf(pathsOf(said as SftpScope)))

export function pathsOf(scope: SftpScope): Paths {
  const usual = { maxBytes: unlimited, rename: true }
  if (scope === 'none') return { read: [], write: [], ...usual }
  if (scope === 'read') return { read: [root], write: [], ...usual }
  if (scope === 'write') return { read: [root], write: [root], ...usual }
  const { read, write, max_bytes: maxBytes = unlimited, rename = true } = scope
  return { read, write, maxBytes, rename }
}

/** The shortest way to say it, so that equal scopes look equal. */
function scopeOf(paths: Paths): SftpScope {
  const read = tidy(paths.read)
  const write = tidy(paths.write)
  if (read.length === 0 && write.length === 0) return 'none'
  const rename = paths.rename || write.length === 0
  if (paths.maxBytes === unlimited && rename && everywhere(read)) {
    if (write.length === 0) return 'read'
    if (everywhere(write)) return 'write'
  }
  const most = paths.maxBytes === unlimited ? {} : { max_bytes: paths.maxBytes }
  return { read, write, ...most, ...(rename ? {} : { rename }) }
}

export function meetSftp(a: SftpScope, b: SftpScope): SftpScope {
  const [one, other] = [pathsOf(a), pathsOf(b)]
  const read = meetPrefixes(one.read, other.read)
  const write = meetPrefixes(one.write, other.write)
  // Who gives up reading would else be free to move files to where another grant reads them ({@link movesWithin}).
  const lost = [...one.read, ...other.read].filter(edge => !read.includes(edge))
  const rename = one.rename && other.rename && !lost.some(edge => parts(write, edge))
  return scopeOf({ read, write, maxBytes: Math.min(one.maxBytes, other.maxBytes), rename })
}

/** Whether some of what is under `prefixes` lies under `edge` and some does not. */
function parts(prefixes: readonly string[], edge: string): boolean {
  const within = prefixes.filter(one => under([edge], one)).length
  return (within > 0 && within < prefixes.length) || prefixes.some(one => one !== edge && under([one], edge))
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

/**
 * Whether a rename leaves what may be read as it is: both names may be read with all below them, or neither and nothing
 * below. What is moved to where reading is allowed would be read there; what is moved away is still read by a handle that
 * was opened before, whatever is written into it there.
 */
export function movesWithin(read: readonly string[], names: readonly string[]): boolean {
  return (
    names.every(name => under(read, name)) ||
    !names.some(name => under(read, name) || read.some(one => under([name], one)))
  )
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
    ...(scope.rename === undefined ? [] : ['without renames']),
  ]
  return `sftp ${parts.join(', ')}`
}
