/** What a host answers over sftp, as far as the relay must understand it. Pure; what is odd is {@link Malformed}. */
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { framed, fxp, fxStatus, maxPacketBytes, maxReadBytes } from '../../statement/sftp/packet.ts'
import { everywhere, pathsOf } from './paths.ts'
import type { SshScope } from './scope.ts'

/** Extensions that can be judged, and what of the scope they need to be of any use. */
const offered: Readonly<Record<string, 'any' | 'write' | 'all'>> = {
  'limits@openssh.com': 'any',
  'statvfs@openssh.com': 'any',
  'fstatvfs@openssh.com': 'any',
  'posix-rename@openssh.com': 'write',
  'fsync@openssh.com': 'write',
  'lsetstat@openssh.com': 'write',
  'hardlink@openssh.com': 'all',
}

/** Of what the host's VERSION announces, what the client may use: names and their data by turns. */
export function announced(body: Buffer, scope: SshScope): readonly string[] {
  const fields = new Reader(body, 1)
  if (fields.u32() !== 3) throw new Malformed('sftp version of the host')
  const { read, write } = pathsOf(scope.sftp)
  const has = { any: true, write: write.length > 0, all: everywhere(read) && everywhere(write) }
  const found: string[] = []
  for (let i = 0; fields.left > 0 && i < 64; i++) {
    const name = fields.bytes().toString('latin1')
    const data = fields.bytes().toString('latin1')
    const needed = Object.hasOwn(offered, name) ? offered[name] : undefined
    if (needed !== undefined && has[needed]) found.push(name, data.slice(0, 16))
  }
  return found
}

/** The code of a STATUS; nothing where it is another answer. */
export function statusOf(answer: Buffer): number | undefined {
  return answer[0] === fxp.status ? new Reader(answer, 5).u32() : undefined
}

/** The one path of an answer to REALPATH; nothing where the host found none. */
export function nameIn(answer: Buffer): string | undefined {
  if (answer[0] === fxp.status && statusOf(answer) !== fxStatus.ok) return undefined
  if (answer[0] !== fxp.name) throw new Malformed('an answer to REALPATH')
  const fields = new Reader(answer, 5)
  if (fields.u32() !== 1) throw new Malformed('an answer to REALPATH')
  const path = fields.text()
  const parts = path.split('/').slice(1)
  // What is compared with prefixes must be the path itself, with no way left to read it otherwise.
  const plain = path === '/' || parts.every(part => part !== '' && part !== '.' && part !== '..')
  if (!path.startsWith('/') || !plain || path.includes('\0')) throw new Malformed('a real path that is none')
  return path
}

/** The folder that a name is in; no name where the path ends in one that only the host can tell. */
export function parentOf(path: string): { readonly folder: string; readonly name: string | undefined } {
  const whole = path.replace(/\/+$/, '')
  const cut = whole.lastIndexOf('/')
  const name = whole.slice(cut + 1)
  if (name === '' || name === '.' || name === '..') return { folder: path, name: undefined }
  return { folder: cut <= 0 ? '/' : whole.slice(0, cut), name }
}

/** `limits@openssh.com`: what the host can take, and we. */
export function cappedLimits(answer: Buffer): Buffer {
  if (answer[0] !== fxp.extendedReply) return answer
  const fields = new Reader(answer, 5)
  const cap = (most: number) => {
    const said = fields.u64()
    return said === 0n || said > BigInt(most) ? BigInt(most) : said
  }
  const capped = [cap(maxPacketBytes - 1024), cap(maxReadBytes), cap(maxReadBytes), cap(128)]
  return framed(message(fxp.extendedReply, answer.readUInt32BE(1), ...capped)).subarray(4)
}
