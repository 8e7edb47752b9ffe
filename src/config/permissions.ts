/**
 * Invariant 1: who could change the gateway from outside it? `serve` refuses to start while the configuration, a file it
 * refers to, `data/`, or a folder above one of them can be written by another user, or a secret or `data/` can be read by one.
 *
 * Root is no exception: the point is what others may do, not what we may. Symlinks are followed by hand, so that both the
 * link's side and the target's are judged (attack 206). ACLs show in the group bits of the mode, where POSIX puts their mask.
 */
import { lstat, mkdir, readlink } from 'node:fs/promises'
import { dirname, isAbsolute, join, parse, sep } from 'node:path'
import type { Loaded } from './parse.ts'

/** What stat says of one file, folder or link. */
export interface Facts {
  readonly path: string
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits, with the sticky bit. */
  readonly mode: number
  readonly uid: number
}

/** `private`: nobody else reads or writes it. `ours`: nobody else writes it. `above`: nobody else moves what is in it. */
export type Role = 'private' | 'ours' | 'above'

const sticky = 0o1000

/** What is wrong with it and what to run, or undefined. Pure. */
export function judgeFacts({ path, kind, mode, uid }: Facts, role: Role, us: number): string | undefined {
  const named = quote(path)
  if (kind === 'other') return `${path} is neither a file nor a folder`
  if (uid !== 0 && uid !== us)
    return `${path} belongs to another user (uid ${uid}), who can change it; run: chown ${us} ${named}`
  if (kind === 'link') return undefined
  // In a sticky folder such as /tmp others can add entries, but not move or remove ours.
  if (role === 'above' && (mode & sticky) !== 0) return undefined
  if (role === 'private' && (mode & 0o077) !== 0) {
    const may = (mode & 0o022) !== 0 ? 'written' : 'read'
    return `${path} can be ${may} by other users (mode ${octal(mode)}); run: chmod ${kind === 'folder' ? '700' : '600'} ${named}`
  }
  if ((mode & 0o022) !== 0)
    return `${path} can be written by other users (mode ${octal(mode)}); run: chmod go-w ${named}`
  return undefined
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

/** For a shell, whatever the path is. */
function quote(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** Makes `data/` for us alone, if it is absent. Call it before {@link checkPermissions}, which judges what it finds. */
export async function makeData(data: string): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 })
}

/** Its folders: each may be a link to a disk of its own, where others may be. */
const inData = ['audit', 'keys', 'recordings']

/** Everything that another user could do to the configuration, with what to run against it. Empty is as it must be. */
export async function checkPermissions(
  { config, files }: Loaded,
  us = process.getuid?.() ?? 0,
): Promise<string[]> {
  const wrong = new Set<string>()
  const folders = inData.map(name => join(config.data, name))
  const mayBeAbsent = new Set([config.data, ...folders])
  const roles: [path: string, role: Role][] = [
    [config.file, 'ours'],
    [config.data, 'private'],
    ...folders.map((path): [string, Role] => [path, 'private']),
    ...files.map(({ path, secret }): [string, Role] => [path, secret ? 'private' : 'ours']),
  ]
  for (const [path, role] of roles)
    for (const problem of await walk(path, role, us, mayBeAbsent.has(path))) wrong.add(problem)
  return [...wrong]
}

async function walk(path: string, role: Role, us: number, mayBeAbsent: boolean): Promise<string[]> {
  const problems: string[] = []
  try {
    for await (const { facts, last } of steps(path)) {
      const problem = judgeFacts(facts, last ? role : 'above', us)
      if (problem !== undefined) problems.push(problem)
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'ENOENT') problems.push(`${path} cannot be examined: ${code ?? String(error)}`)
    else if (!mayBeAbsent) problems.push(`${path} does not exist`)
  }
  return problems
}

/** Linux follows as many links before it gives up. */
const maxLinks = 40

/** Every folder, link and at last the file itself that the kernel passes on its way to `path`. */
async function* steps(path: string): AsyncGenerator<{ facts: Facts; last: boolean }> {
  let at = parse(path).root
  let todo = path.slice(at.length).split(sep)
  let links = 0
  yield { facts: await factsOf(at), last: false }
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '' || part === '.') continue
    if (part === '..') {
      at = dirname(at)
      continue
    }
    const next = join(at, part)
    const facts = await factsOf(next)
    const last = todo.every(rest => rest === '' || rest === '.')
    yield { facts, last: last && facts.kind !== 'link' }
    if (facts.kind !== 'link') {
      at = next
      continue
    }
    links += 1
    if (links > maxLinks) throw new Error('too many links')
    const target = await readlink(next)
    todo = [...target.split(sep), ...todo]
    if (isAbsolute(target)) {
      at = parse(target).root
      yield { facts: await factsOf(at), last: false }
    }
  }
}

async function factsOf(path: string): Promise<Facts> {
  const stat = await lstat(path)
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'folder'
      : stat.isSymbolicLink()
        ? 'link'
        : 'other'
  return { path, kind, mode: stat.mode & 0o7777, uid: stat.uid }
}
