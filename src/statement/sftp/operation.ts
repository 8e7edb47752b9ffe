/** What an sftp request does, and to what. Pure; whoever judges it sees a name and paths, never a packet. */
import { Malformed, message, Reader } from './fields.ts'
import { fxp } from './packet.ts'

/** `stat` looks at a name or its attributes, `read` at what is inside, `write` changes something. */
export type Act = 'stat' | 'read' | 'write'

export interface Operation {
  readonly id: number
  /** `open`, `stat` ...; extensions by their own name, `posix-rename@openssh.com`. */
  readonly name: string
  readonly act: Act | 'unknown'
  readonly paths: readonly string[]
  /** The open file or directory that it is about, as latin1. */
  readonly handle?: string
  /** OPEN alone. */
  readonly flags?: number
  /** READ alone. */
  readonly read?: { readonly offset: bigint; readonly length: number }
  /** WRITE alone: a view of the packet. */
  readonly write?: { readonly offset: bigint; readonly data: Buffer }
  /** The size that SETSTAT and its kin give a file, where they give one. */
  readonly size?: bigint
}

/** It has a number, so it can be answered, but cannot be read. */
export interface Misread {
  readonly id: number
  readonly misread: string
}

export const openFlags = {
  read: 0x01,
  write: 0x02,
  append: 0x04,
  create: 0x08,
  truncate: 0x10,
  exclusive: 0x20,
}
const knownFlags = 0x3f

const maxPath = 4096
const maxHandle = 256
/** Whatever is about paths is no longer than this: two of them, attributes, and some room. */
const maxRequest = 16_384

type ByPath = readonly [name: string, act: Act, paths: 1 | 2, link?: 'itself']

/** `link: 'itself'`: the last component is not followed where it is a symbolic link. */
const byPath: Readonly<Record<number, ByPath>> = {
  [fxp.lstat]: ['lstat', 'stat', 1, 'itself'],
  [fxp.stat]: ['stat', 'stat', 1],
  [fxp.opendir]: ['opendir', 'read', 1],
  [fxp.realpath]: ['realpath', 'stat', 1],
  [fxp.readlink]: ['readlink', 'stat', 1, 'itself'],
  [fxp.setstat]: ['setstat', 'write', 1],
  [fxp.remove]: ['remove', 'write', 1, 'itself'],
  [fxp.mkdir]: ['mkdir', 'write', 1, 'itself'],
  [fxp.rmdir]: ['rmdir', 'write', 1, 'itself'],
  [fxp.rename]: ['rename', 'write', 2, 'itself'],
  [fxp.symlink]: ['symlink', 'write', 2, 'itself'],
}
const byHandle: Readonly<Record<number, readonly [name: string, act: Act]>> = {
  [fxp.close]: ['close', 'stat'],
  [fxp.read]: ['read', 'read'],
  [fxp.readdir]: ['readdir', 'read'],
  [fxp.fstat]: ['fstat', 'stat'],
  [fxp.write]: ['write', 'write'],
  [fxp.fsetstat]: ['fsetstat', 'write'],
}
/** OpenSSH's extensions that can be judged; all others are unknown (attack 118). */
const extensions: Readonly<Record<string, ByPath | readonly [name: 'handle' | 'nothing', act: Act]>> = {
  'posix-rename@openssh.com': ['posix-rename@openssh.com', 'write', 2, 'itself'],
  'hardlink@openssh.com': ['hardlink@openssh.com', 'write', 2, 'itself'],
  'lsetstat@openssh.com': ['lsetstat@openssh.com', 'write', 1, 'itself'],
  'statvfs@openssh.com': ['statvfs@openssh.com', 'stat', 1],
  'fstatvfs@openssh.com': ['handle', 'stat'],
  'fsync@openssh.com': ['handle', 'write'],
  'limits@openssh.com': ['nothing', 'stat'],
}

/** The names of operations that act on a link itself, not on what it points to. */
const onLinks = new Set(
  [...Object.values(byPath), ...Object.values(extensions)]
    .filter(one => one[3] === 'itself')
    .map(([name]) => name),
)

export function followsLinks(operation: Operation): boolean {
  return !onLinks.has(operation.name)
}

/** What an operation needs to be allowed. An open may read and write at once. */
export function needs({ act, flags }: Operation): readonly Act[] | undefined {
  if (act === 'unknown') return undefined
  if (flags === undefined) return [act]
  if ((flags & ~knownFlags) !== 0) return undefined
  if (flags === openFlags.read) return ['read']
  return (flags & openFlags.read) !== 0 || (flags & openFlags.write) === 0 ? ['read', 'write'] : ['write']
}

export function readOperation(body: Buffer): Operation | Misread {
  const type = body[0] ?? 0
  const fields = new Reader(body, 1)
  const id = fields.u32()
  // As a value: an error is made with its stack, and whoever sends nothing else would have thousands made at once.
  if (!isKnown(type)) return { id, misread: `sftp type ${type}` }
  try {
    return operation(type, id, fields)
  } catch (error) {
    if (error instanceof Malformed) return { id, misread: error.message }
    throw error
  }
}

function isKnown(type: number): boolean {
  return type === fxp.open || type === fxp.extended || type in byPath || type in byHandle
}

function operation(type: number, id: number, fields: Reader): Operation {
  if (type === fxp.open) {
    checkLength(fields)
    const paths = [path(fields)]
    const flags = fields.u32()
    return {
      id,
      name: 'open',
      act: flags === openFlags.read ? 'read' : 'write',
      paths,
      flags,
      ...size(fields),
    }
  }
  const named = byPath[type]
  if (named !== undefined) return onPaths(id, named, fields)
  const held = byHandle[type]
  if (held !== undefined) return onHandle(id, type, held, fields)
  const name = fields.text().slice(0, 64)
  const known = Object.hasOwn(extensions, name) ? extensions[name] : undefined
  if (known === undefined) return { id, name, act: 'unknown', paths: [] }
  if (known[0] === 'nothing') return { id, name, act: known[1], paths: [] }
  if (known[0] === 'handle') return { id, name, act: known[1], paths: [], handle: handle(fields) }
  return onPaths(id, known as ByPath, fields)
}

function onPaths(id: number, [name, act, count]: ByPath, fields: Reader): Operation {
  checkLength(fields)
  const paths = count === 1 ? [path(fields)] : [path(fields), path(fields)]
  return { id, name, act, paths, ...(name.includes('setstat') ? size(fields) : {}) }
}

/** It is kept as long as the host takes to say what its paths are: padded, a thousand of them would be 256 MiB (attack 119). */
function checkLength(fields: Reader): void {
  if (fields.left > maxRequest) throw new Malformed('a request too long')
}

function onHandle(id: number, type: number, [name, act]: readonly [string, Act], fields: Reader): Operation {
  const held = { id, name, act, paths: [], handle: handle(fields) }
  if (type === fxp.read) {
    const read = { offset: fields.u64(), length: fields.u32() }
    // Its length is the last field, and is made less where it is too much.
    fields.end()
    return { ...held, read }
  }
  if (type === fxp.write) return { ...held, write: { offset: fields.u64(), data: fields.bytes() } }
  return type === fxp.fsetstat ? { ...held, ...size(fields) } : held
}

/** The same request for other paths, byte for byte the same behind them. */
export function withPaths(body: Buffer, paths: readonly string[]): Buffer {
  const fields = new Reader(body, 5)
  const name = body[0] === fxp.extended ? [fields.bytes()] : []
  for (const _ of paths) fields.bytes()
  return message(body[0] ?? 0, body.readUInt32BE(1), ...name, ...paths, { raw: fields.rest() })
}

function path(fields: Reader): string {
  const text = fields.text()
  if (text.length > maxPath || text.includes('\0')) throw new Malformed('path')
  return text
}

function handle(fields: Reader): string {
  const bytes = fields.bytes()
  if (bytes.length > maxHandle) throw new Malformed('handle')
  return bytes.toString('latin1')
}

/** ATTRS begin with flags and, where the first of them says so, a size. */
function size(fields: Reader): { size?: bigint } {
  return (fields.u32() & 1) === 0 ? {} : { size: fields.u64() }
}
