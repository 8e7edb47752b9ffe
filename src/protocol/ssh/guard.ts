/**
 * Message -> statement -> verdict under the session's scope (DESIGN.md section 8). Pure; what it does not know it refuses.
 */

import { refuse } from '../../denial.ts'
import type { Statement, Verdict } from '../../recording/record.ts'
import { listsOf, matchNothing } from '../../statement/patterns.ts'
import type { Detailed } from '../../statement/sftp/attributes.ts'
import { type Act, needs, type Operation, openFlags } from '../../statement/sftp/operation.ts'
import { type Matched, matchLine } from '../../statement/shell/pattern.ts'
import { looksLikeScp, readScp } from '../../statement/shell/scp.ts'
import { type Destination, destinationText, findDestination } from './forwards.ts'
import { everywhere, lexical, movesWithin, pathsOf, under, unlimited } from './paths.ts'
import { oneLine } from './refuse.ts'
import { execWords, type SshScope, sshScope } from './scope.ts'

const maxTerm = 64

/** A command for the host's shell. */
export function judgeExec(scope: SshScope, line: Uint8Array): Verdict {
  const text = decode(line)
  if (text === undefined || text.includes('\0'))
    return no(
      { kind: 'exec', text: Buffer.from(line).toString('latin1'), touches: [] },
      'statement_unparsable',
      'the command is not text',
    )
  // Where no command is allowed none is read: reading takes time that others wait for.
  const matched = matchNothing(scope.exec) ? [] : listsOf(scope.exec).map(list => matchLine(list, text))
  const words = matched.find(one => one.match)?.words ?? [text]
  const statement = { kind: 'exec', text, touches: [{ act: 'exec', on: words[0] ?? text }] }
  if (matched.length > 0 && looksLikeScp(text))
    return no(
      statement,
      'statement_refused',
      'scp in its legacy mode is not in scope; scp without -O uses sftp',
    )
  if (matched.length > 0 && matched.every(one => one.match)) return { allow: true, statement }
  return no(statement, 'statement_refused', whyNot(scope, matched))
}

/** scp's legacy mode, where the scope has it: done over sftp, so each file is judged as sftp's. Else nothing. */
export function judgeScp(scope: SshScope, line: Uint8Array): Verdict | undefined {
  const text = decode(line)
  const command = text === undefined ? undefined : readScp(text)
  if (!scope.scp || text === undefined || command === undefined) return undefined
  const act = 'way' in command && command.way === 'to_host' ? 'write' : 'read'
  const paths = 'paths' in command ? command.paths : []
  const statement = { kind: 'scp', text, touches: paths.map(on => ({ act, on })) }
  if ('problem' in command)
    return no(statement, 'statement_refused', `scp with ${command.problem} is not taken`)
  if (scope.sftp !== 'none') return { allow: true, statement }
  return no(statement, 'statement_refused', 'scp is held to what sftp may do here, and that is nothing')
}

function whyNot(scope: SshScope, matched: readonly Matched[]): string {
  const unreadable = matched.find(one => !one.match && one.unreadable !== undefined)
  const allowed = execWords(scope.exec)
  const may =
    allowed === undefined
      ? `commands are not in scope; this grant allows ${sshScope.words(scope)}`
      : `this grant allows ${allowed}`
  if (allowed === undefined || unreadable === undefined || unreadable.match)
    return `this command is not in scope; ${may}`
  return `a command with ${unreadable.unreadable?.why} is not one plain command; ${may}`
}

export function judgeShell(scope: SshScope): Verdict {
  const statement = { kind: 'shell', text: '', touches: [{ act: 'shell', on: 'login shell' }] }
  if (scope.shell) return { allow: true, statement }
  return no(
    statement,
    'statement_refused',
    `an interactive shell is not in scope; this grant allows ${sshScope.words(scope)}`,
  )
}

export function judgePty(scope: SshScope, term: string): Verdict {
  const statement = { kind: 'pty', text: term.slice(0, maxTerm), touches: [{ act: 'pty', on: 'terminal' }] }
  if (!scope.pty) return no(statement, 'statement_refused', 'a terminal is not in scope')
  // It ends up in the environment, in the recording's header and on operators' screens (attack 130).
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(term) && term !== '')
    return no(statement, 'statement_refused', 'not the name of a terminal')
  return { allow: true, statement }
}

export function judgeSubsystem(scope: SshScope, name: string): Verdict {
  const statement = {
    kind: 'subsystem',
    text: name.slice(0, 64),
    touches: [{ act: 'subsystem', on: name.slice(0, 64) }],
  }
  if (name !== 'sftp') return no(statement, 'statement_refused', 'no subsystem but sftp can be in scope')
  if (scope.sftp === 'none')
    return no(
      statement,
      'statement_refused',
      `sftp is not in scope; this grant allows ${sshScope.words(scope)}`,
    )
  return { allow: true, statement }
}

/**
 * One file operation, on the paths that it is really about: as the host resolved them, or as its handle was opened. A
 * handle serves for what it was opened for: one that was opened to read would change what lies outside of what may be
 * written. An operation that is not known is refused (attack 118).
 */
export function judgeSftp(
  scope: SshScope,
  operation: Detailed,
  paths: readonly string[] = operation.paths,
  opened?: ReadonlySet<Act>,
): Verdict {
  const { name, act } = operation
  const text = (operation.handle === undefined ? operation.paths : paths).join(' -> ')
  const on = paths.length === 0 ? [name] : paths
  const statement = {
    kind: `sftp.${name}`,
    text,
    touches: [...on.map(path => ({ act, on: path })), ...(operation.details ?? [])],
  }
  const needed = needs(operation)
  if (needed === undefined || !paths.every(path => needed.every(one => mayTouch(scope, one, path))))
    return no(
      statement,
      'statement_refused',
      `${name} is not in scope; this grant allows ${sshScope.words(scope)}`,
    )
  if (opened !== undefined && act !== 'stat' && act !== 'unknown' && !opened.has(act))
    return no(statement, 'statement_refused', `${name} is nothing for a handle that was not opened to ${act}`)
  const { read, write, maxBytes, rename } = pathsOf(scope.sftp)
  if (renames(operation) && !rename) return no(statement, 'statement_refused', `${name} is not in scope`)
  if (renames(operation) && !movesWithin(read, paths))
    return no(
      statement,
      'statement_refused',
      `${name} goes nowhere between what may be read and what may not`,
    )
  // The host writes behind what there is, whatever place a write names: nothing would bound how much.
  if (((operation.flags ?? 0) & openFlags.append) !== 0 && maxBytes !== unlimited)
    return no(statement, 'statement_refused', 'appending is not in scope where max_bytes is')
  // A link made inside could point outside (attack 117).
  if (/^(symlink|hardlink)/.test(name) && !(everywhere(read) && everywhere(write)))
    return no(statement, 'statement_refused', `${name} is never in scope where paths are limited`)
  const end =
    operation.write === undefined
      ? operation.size
      : operation.write.offset + BigInt(operation.write.data.length)
  if (end !== undefined && end > BigInt(maxBytes))
    return no(statement, 'statement_refused', `a file may have at most ${maxBytes} bytes`)
  return { allow: true, statement }
}

/**
 * By what its paths would be if there were no links. What they are is not known here, so on record they stand as they were
 * written: a path that only looks resolved would name a file that was never touched.
 */
export function judgeUnresolved(scope: SshScope, operation: Detailed, start: string): Verdict {
  const { act, paths, details = [] } = operation
  const verdict = judgeSftp(
    scope,
    operation,
    paths.map(path => lexical(path, start)),
  )
  if (paths.length === 0) return verdict
  const touches = [...paths.map(path => ({ act, on: path })), ...details]
  return { ...verdict, statement: { ...verdict.statement, touches } }
}

/** To look at what may be read or written is allowed with it. */
function mayTouch({ sftp }: SshScope, act: Act, path: string): boolean {
  const { read, write } = pathsOf(sftp)
  if (act === 'write') return under(write, path)
  return under(read, path) || (act === 'stat' && under(write, path))
}

function renames({ name }: Operation): boolean {
  return name === 'rename' || name === 'posix-rename@openssh.com'
}

/** Whatever path it is about, the scope allows it: then the host need not be asked what the path really is. */
export function allowsAsIs({ sftp }: SshScope, operation: Operation): boolean {
  const { read, write } = pathsOf(sftp)
  // With `write: ["/"]` a rename is still bound by what may be read.
  if (renames(operation) && read.length > 0 && !everywhere(read)) return false
  return (needs(operation) ?? []).every(act =>
    act === 'write' ? everywhere(write) : everywhere(read) || (act === 'stat' && everywhere(write)),
  )
}

/** A connection onwards, by the host and port that the client wrote (attack 108). */
export function judgeForward(
  scope: SshScope,
  host: string,
  port: number,
): { readonly verdict: Verdict; readonly to?: Destination } {
  const text = oneLine(destinationText(host, port)).slice(0, 256)
  const to = findDestination(scope.forward, host, port)
  const statement = { kind: 'forward', text, touches: [{ act: 'forward', on: text }] }
  if (to !== undefined) return { verdict: { allow: true, statement }, to }
  const allowed = scope.forward.length === 0 ? '' : `; this grant forwards to ${scope.forward.join(', ')}`
  return { verdict: no(statement, 'statement_refused', `forward is not in scope${allowed}`) }
}

/**
 * Exactly the variables that the scope names, and no value that could not be one (attack 107). A locale only where the
 * host's shell then reads characters as we do: in GBK and its kin a backslash is half of one.
 */
export function allowsEnv(scope: SshScope, name: string, value: string): boolean {
  if (!scope.env.includes(name) || value.length > 4096 || value.includes('\0')) return false
  return !/^(LANG|LC_ALL|LC_CTYPE)$/.test(name) || /^(C|POSIX|[\w@]+\.(utf-?8)(@\w+)?)$/i.test(value)
}

/** A pattern of `cut_on` was met: what it was, for the recording. The client is not told which. */
export function judgeCaught(pattern: string, how: 'shown' | 'typed'): Verdict {
  const statement = { kind: 'cut_on', text: pattern, touches: [{ act: how, on: pattern }] }
  return no(statement, 'statement_refused', `${how} what the grant's cut_on names`)
}

/** Anything else that a client may ask for: never in scope yet, and said so in the recording. */
export function judgeOther(kind: string, what: string, say: string): Verdict {
  const text = what.slice(0, 256)
  return no({ kind, text, touches: [{ act: kind, on: text }] }, 'statement_refused', say)
}

function no(statement: Statement, code: 'statement_refused' | 'statement_unparsable', say: string): Verdict {
  return { allow: false, statement, denial: refuse(code, `${statement.kind}: ${say}`, { say }).denial }
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
