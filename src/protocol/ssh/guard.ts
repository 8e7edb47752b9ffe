/**
 * Message -> statement -> verdict under the session's scope (DESIGN.md section 8). Pure; what it does not know it refuses.
 */
import { refuse } from '../../denial.ts'
import type { Statement, Touch, Verdict } from '../../recording/record.ts'
import type { Operation } from '../../statement/sftp/operation.ts'
import { type Matched, matchLine } from '../../statement/shell/pattern.ts'
import { execWords, listsOf, type SshScope, sshScope } from './scope.ts'

const maxTerm = 64

/** A command for the host's shell. */
export function judgeExec(scope: SshScope, line: Uint8Array, env: readonly Touch[]): Verdict {
  const text = decode(line)
  if (text === undefined || text.includes('\0'))
    return no(
      { kind: 'exec', text: Buffer.from(line).toString('latin1'), touches: [] },
      'statement_unparsable',
      'the command is not text',
    )
  const matched = listsOf(scope.exec).map(list => matchLine(list, text))
  const words = matched.find(one => one.match)?.words ?? [text]
  const statement = { kind: 'exec', text, touches: [{ act: 'exec', on: words[0] ?? text }, ...env] }
  if (isLegacyScp(text))
    return no(
      statement,
      'statement_refused',
      'scp in its legacy mode is not in scope; scp without -O uses sftp',
    )
  if (matched.length > 0 && matched.every(one => one.match)) return { allow: true, statement }
  return no(statement, 'statement_refused', whyNot(scope, matched))
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

/** The server's half of rcp's protocol (attack 120): in scope by `scp` alone, whatever the patterns say. */
function isLegacyScp(text: string): boolean {
  return /(^|[\s/;|&(])scp\s(.*\s)?-[a-zA-Z]*[tf]/.test(text)
}

export function judgeShell(scope: SshScope, env: readonly Touch[]): Verdict {
  const statement = { kind: 'shell', text: '', touches: [{ act: 'shell', on: 'login shell' }, ...env] }
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

/** One file operation. Reading alone can be in scope yet; whatever else a packet may do is refused (attack 118). */
export function judgeSftp(scope: SshScope, operation: Operation): Verdict {
  const text = operation.paths.join(' -> ')
  const on = operation.paths.length === 0 ? [operation.handle ?? operation.name] : operation.paths
  const statement = {
    kind: `sftp.${operation.name}`,
    text,
    touches: on.map(path => ({ act: operation.act, on: path })),
  }
  if (scope.sftp === 'read' && operation.act === 'read') return { allow: true, statement }
  return no(
    statement,
    'statement_refused',
    `${operation.name} is not in scope; this grant allows ${sshScope.words(scope)}`,
  )
}

/** Exactly the variables that the scope names, and no value that could not be one (attack 107). */
export function allowsEnv(scope: SshScope, name: string, value: string): boolean {
  return scope.env.includes(name) && value.length <= 4096 && !value.includes('\0')
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
