/** What an sftp request does, and to what. Pure; whoever judges it sees a name and paths, never a packet. */
import { Malformed, Reader } from './fields.ts'
import { fxp } from './packet.ts'

export interface Operation {
  readonly id: number
  /** `open`, `stat` ...; extensions by their own name, `posix-rename@openssh.com`. */
  readonly name: string
  readonly act: 'read' | 'write' | 'unknown'
  readonly paths: readonly string[]
  /** The open file or directory that it is about, as latin1. */
  readonly handle?: string
  /** READ alone. */
  readonly read?: { readonly offset: bigint; readonly length: number }
}

/** It has a number, so it can be answered, but cannot be read. */
export interface Misread {
  readonly id: number
  readonly misread: string
}

const maxPath = 4096
const maxHandle = 256
/** OPEN's flags that do more than read: WRITE, APPEND, CREAT, TRUNC, EXCL, and whatever is not defined. */
const readOnly = 0x01

const byPath: Readonly<Record<number, readonly [name: string, act: 'read' | 'write', paths: 1 | 2]>> = {
  [fxp.lstat]: ['lstat', 'read', 1],
  [fxp.stat]: ['stat', 'read', 1],
  [fxp.opendir]: ['opendir', 'read', 1],
  [fxp.realpath]: ['realpath', 'read', 1],
  [fxp.readlink]: ['readlink', 'read', 1],
  [fxp.setstat]: ['setstat', 'write', 1],
  [fxp.remove]: ['remove', 'write', 1],
  [fxp.mkdir]: ['mkdir', 'write', 1],
  [fxp.rmdir]: ['rmdir', 'write', 1],
  [fxp.rename]: ['rename', 'write', 2],
  [fxp.symlink]: ['symlink', 'write', 2],
}
const byHandle: Readonly<Record<number, readonly [name: string, act: 'read' | 'write']>> = {
  [fxp.close]: ['close', 'read'],
  [fxp.read]: ['read', 'read'],
  [fxp.readdir]: ['readdir', 'read'],
  [fxp.fstat]: ['fstat', 'read'],
  [fxp.write]: ['write', 'write'],
  [fxp.fsetstat]: ['fsetstat', 'write'],
}
/** Extensions that are known to change things; all others are unknown (attack 118). */
const writers = new Set(
  'posix-rename@openssh.com hardlink@openssh.com lsetstat@openssh.com fsync@openssh.com copy-data'.split(' '),
)

export function readOperation(body: Buffer): Operation | Misread {
  const type = body[0] ?? 0
  const fields = new Reader(body, 1)
  const id = fields.u32()
  try {
    return operation(type, id, fields)
  } catch (error) {
    if (error instanceof Malformed) return { id, misread: error.message }
    throw error
  }
}

function operation(type: number, id: number, fields: Reader): Operation {
  if (type === fxp.open) {
    const paths = [path(fields)]
    const flags = fields.u32()
    return { id, name: 'open', act: flags === readOnly ? 'read' : 'write', paths }
  }
  const named = byPath[type]
  if (named !== undefined) {
    const [name, act, count] = named
    return { id, name, act, paths: count === 1 ? [path(fields)] : [path(fields), path(fields)] }
  }
  const held = byHandle[type]
  if (held !== undefined) {
    const [name, act] = held
    const bytes = fields.bytes()
    if (bytes.length > maxHandle) throw new Malformed('handle')
    const handle = bytes.toString('latin1')
    if (type !== fxp.read) return { id, name, act, paths: [], handle }
    return { id, name, act, paths: [], handle, read: { offset: fields.u64(), length: fields.u32() } }
  }
  if (type !== fxp.extended) throw new Malformed(`sftp type ${type}`)
  const name = fields.text().slice(0, 64)
  return { id, name, act: writers.has(name) ? 'write' : 'unknown', paths: [] }
}

function path(fields: Reader): string {
  const text = fields.text()
  if (text.length > maxPath || text.includes('\0')) throw new Malformed('path')
  return text
}
