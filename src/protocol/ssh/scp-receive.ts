/** `scp -t`: files that the client sends. Its lines are judged one by one, what they name goes through sftp. */
import { openFlags } from '../../statement/sftp/operation.ts'
import { fxp } from '../../statement/sftp/packet.ts'
import { readScpLine, type ScpLine } from '../../statement/shell/scp.ts'
import { type Scp, ScpOver, type Step } from './scp.ts'
import { attributes, failure, handleOf, isFolder, modeAttributes } from './scp-attributes.ts'

const maxDepth = 64
const chunk = 32_000
/** Writes that the host has not yet answered. */
const maxUnanswered = 64

type Named = ScpLine & { readonly is: 'file' | 'folder' }
type Times = (ScpLine & { readonly is: 'times' }) | undefined

export function* receive(scp: Scp): Step<void> {
  const [path = ''] = scp.command.paths
  const into = isFolder(attributes(yield* scp.ask(fxp.stat, path)))
  if (scp.command.directory && !into) {
    scp.warn(path, 'not a directory')
    return
  }
  scp.ok()
  yield* folder(scp, path, into, 0)
}

/** All that is sent at one level. `inside`: names are put below `path`; else the one that comes is `path`. */
function* folder(scp: Scp, path: string, inside: boolean, depth: number): Step<void> {
  let times: Times
  for (;;) {
    const first = yield* scp.peek()
    if (first === undefined) {
      if (depth > 0) throw new ScpOver('the client went away in a folder')
      return
    }
    // A sender's warning of a file that it cannot read: the others go on.
    if (first === 1) {
      yield* scp.consent()
      continue
    }
    const line = readScpLine((yield* scp.line()) ?? '')
    if ('problem' in line) {
      scp.warn(path, line.problem)
      throw new ScpOver(line.problem)
    }
    if (line.is === 'up') {
      if (depth === 0) throw new ScpOver('out of the top folder')
      scp.ok()
      return
    }
    if (line.is === 'times') {
      times = line
      scp.ok()
      continue
    }
    const target = inside ? `${path.replace(/\/$/, '')}/${line.name}` : path
    if (line.is === 'file') yield* file(scp, target, line as Named, times)
    else yield* subfolder(scp, target, line as Named, times, depth)
    times = undefined
  }
}

function* subfolder(scp: Scp, path: string, line: Named, times: Times, depth: number): Step<void> {
  if (!scp.command.recursive || depth >= maxDepth) throw new ScpOver('a folder that was not announced')
  if (!isFolder(attributes(yield* scp.ask(fxp.stat, path)))) {
    const made = failure(yield* scp.ask(fxp.mkdir, path, modeAttributes(line.mode | 0o700)))
    if (made !== undefined) {
      scp.warn(path, made)
      return
    }
  }
  scp.ok()
  yield* folder(scp, path, true, depth + 1)
  if (times !== undefined) yield* scp.ask(fxp.setstat, path, modeAttributes(line.mode, times))
}

function* file(scp: Scp, path: string, line: Named, times: Times): Step<void> {
  const flags = openFlags.write | openFlags.create | openFlags.truncate
  const opened = yield* scp.ask(fxp.open, path, flags, modeAttributes(line.mode))
  const handle = handleOf(opened)
  if (handle === undefined) {
    scp.warn(path, failure(opened) ?? 'not opened')
    return
  }
  scp.ok()
  const problem = yield* content(scp, handle, line.size)
  if (problem === undefined && times !== undefined)
    yield* scp.ask(fxp.fsetstat, handle, modeAttributes(line.mode, times))
  const closed = failure(yield* scp.ask(fxp.close, handle))
  yield* scp.consent()
  const why = problem ?? closed
  if (why === undefined) scp.ok()
  else scp.warn(path, why)
}

/** What went wrong, if anything; the file's bytes are read off in any case. */
function* content(scp: Scp, handle: Buffer, size: number): Step<string | undefined> {
  const unanswered: number[] = []
  let problem: string | undefined
  for (let at = 0; at < size || unanswered.length > 0; ) {
    const [oldest] = unanswered
    if (oldest !== undefined && (at >= size || unanswered.length >= maxUnanswered || scp.has(oldest))) {
      const answer = yield* scp.answer(oldest)
      unanswered.shift()
      problem ??= failure(answer)
      continue
    }
    const data = yield* scp.data(Math.min(chunk, size - at))
    if (problem === undefined) unanswered.push(scp.request(fxp.write, handle, BigInt(at), data))
    at += data.length
  }
  return problem
}
