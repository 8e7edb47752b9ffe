/** `scp -f`: files that the client gets. A name that the protocol's lines cannot hold is not sent (attack 120). */
import { Reader } from '../../statement/sftp/fields.ts'
import { openFlags } from '../../statement/sftp/operation.ts'
import { fxp, maxReadBytes } from '../../statement/sftp/packet.ts'
import { isPlainName } from '../../statement/shell/scp.ts'
import { type Scp, ScpOver, type Step } from './scp.ts'
import {
  type Attributes,
  attributes,
  failure,
  handleOf,
  isFolder,
  namesOf,
  noAttributes,
} from './scp-attributes.ts'

const maxDepth = 64
const maxNames = 100_000
/** Of all folders that are under way, each in the one before: a host may name as much as it likes in each (attack 192). */
const maxHeld = 16 * 1024 * 1024

export function* send(scp: Scp): Step<void> {
  yield* scp.consent()
  for (const path of scp.command.paths) yield* one(scp, path, 0)
}

function* one(scp: Scp, path: string, depth: number): Step<void> {
  const answer = yield* scp.ask(fxp.stat, path)
  const about = attributes(answer)
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? ''
  const shown = name === '' || name === '.' || name === '..' ? 'files' : name
  if (about === undefined) scp.warn(path, failure(answer) ?? 'not found')
  else if (!isPlainName(shown)) scp.warn(path, 'its name cannot be sent')
  else if (!isFolder(about)) yield* file(scp, path, shown, about)
  else if (!scp.command.recursive) scp.warn(path, 'not a regular file')
  else if (depth >= maxDepth) scp.warn(path, 'too deep')
  else {
    const { held } = scp
    yield* folder(scp, path, shown, about, depth)
    scp.held = held
  }
}

function* times(scp: Scp, { modified, accessed }: Attributes): Step<boolean> {
  if (!scp.command.times) return true
  scp.say(`T${modified} 0 ${accessed} 0\n`)
  return yield* scp.consent()
}

function* folder(scp: Scp, path: string, name: string, about: Attributes, depth: number): Step<void> {
  const opened = yield* scp.ask(fxp.opendir, path)
  const handle = handleOf(opened)
  if (handle === undefined) {
    scp.warn(path, failure(opened) ?? 'not opened')
    return
  }
  const names: string[] = []
  for (let found = namesOf(yield* scp.ask(fxp.readdir, handle)); found !== undefined; ) {
    names.push(...found)
    for (const { length } of found) scp.held += 32 + length
    if (names.length > maxNames || scp.held > maxHeld) throw new ScpOver('a folder that does not end')
    found = namesOf(yield* scp.ask(fxp.readdir, handle))
  }
  yield* scp.ask(fxp.close, handle)
  yield* times(scp, about)
  scp.say(`D${mode(about)} 0 ${name}\n`)
  if (!(yield* scp.consent())) return
  for (const each of names)
    if (each !== '.' && each !== '..') yield* one(scp, `${path.replace(/\/+$/, '')}/${each}`, depth + 1)
  scp.say('E\n')
  yield* scp.consent()
}

function* file(scp: Scp, path: string, name: string, about: Attributes): Step<void> {
  const opened = yield* scp.ask(fxp.open, path, openFlags.read, noAttributes)
  const handle = handleOf(opened)
  if (handle === undefined) {
    scp.warn(path, failure(opened) ?? 'not opened')
    return
  }
  let sent = false
  if (yield* times(scp, about)) {
    scp.say(`C${mode(about)} ${about.size} ${name}\n`)
    if (yield* scp.consent()) {
      const problem = yield* content(scp, handle, about.size)
      if (problem === undefined) scp.ok()
      else scp.warn(path, problem)
      sent = true
    }
  }
  yield* scp.ask(fxp.close, handle)
  if (sent) yield* scp.consent()
}

/** As many bytes as were promised, whatever the file has become meanwhile. */
function* content(scp: Scp, handle: Buffer, size: number): Step<string | undefined> {
  let problem: string | undefined
  for (let at = 0; at < size; ) {
    yield* scp.room()
    const most = Math.min(maxReadBytes, size - at)
    if (problem === undefined) {
      const answer = yield* scp.ask(fxp.read, handle, BigInt(at), most)
      const data = answer[0] === fxp.data ? new Reader(answer, 5).bytes().subarray(0, most) : undefined
      if (data === undefined || data.length === 0) problem = failure(answer) ?? 'the file became shorter'
      else {
        scp.say(data)
        at += data.length
      }
    } else {
      scp.say(Buffer.alloc(Math.min(most, 32_768)))
      at += Math.min(most, 32_768)
    }
  }
  return problem
}

function mode({ permissions }: Attributes): string {
  return (permissions & 0o777).toString(8).padStart(4, '0')
}
