/**
 * What may be done on a host, and how two such limits meet (DESIGN.md section 8). Everything unsaid is refused. Pure.
 */

import { z } from 'zod'
import { listsOf, matchNothing, meetPatterns, type Patterns } from '../../statement/patterns.ts'
import { equalsShell } from '../../statement/shell/equal.ts'
import { type Pattern, patternProblem, patternText } from '../../statement/shell/pattern.ts'
import { duration, smaller } from '../limit.ts'
import { runsCode, unvouched } from './env.ts'
import { forwardSchema } from './forwards.ts'
import { meetSftp, type SftpScope, sftpSchema, sftpWords } from './paths.ts'

/** Command patterns: one list, or several of which each must match (what two lists meet in). */
export type ExecPatterns = Patterns<Pattern>

export interface SshScope {
  readonly shell: boolean
  readonly pty: boolean
  readonly exec: ExecPatterns
  readonly sftp: SftpScope
  /** scp's legacy mode too, held to what `sftp` says. */
  readonly scp: boolean
  readonly forward: readonly string[]
  readonly env: readonly string[]
  /** Text that ends the session when a program shows it or when it is typed (`watch.ts`). */
  readonly cut_on: readonly string[]
  /** Milliseconds after which a session in which nobody does anything ends (`idle.ts`). */
  readonly idle_timeout: number | null
}

export type SshLimit = { readonly [K in keyof SshScope]?: SshScope[K] | undefined }

const pattern = z
  .union([z.string().min(1).max(4096), z.array(z.string().max(4096)).min(1).max(256)])
  .superRefine((text, at) => {
    const problem = patternProblem(text)
    if (problem !== undefined) at.addIssue({ code: 'custom', message: problem, input: undefined })
  })
const patterns = z.array(pattern).max(256)
const exec = z.union([patterns, z.strictObject({ all_of: z.array(patterns).min(1).max(16) })])

const variable = z
  .string()
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a variable is named exactly; there are no patterns')
  .refine(
    name => !runsCode(name),
    'this variable can make programs run other code, so it can never be passed on',
  )

/** At least some letters: an asterisk alone would end every session at its first line. */
const cutOn = z
  .array(
    z
      .string()
      .max(256)
      .refine(text => !/\p{Cc}/u.test(text), 'a pattern of cut_on is within one line')
      .refine(text => text.replaceAll('*', '').length >= 3, 'a pattern of cut_on has three letters at least'),
  )
  .max(32)
  .transform(tidy)

const idleTimeout = duration('idle_timeout').nullable()

const complete = z.strictObject({
  shell: z.boolean().default(false),
  pty: z.boolean().optional(),
  exec: exec.default([]),
  sftp: sftpSchema.default('none'),
  scp: z.boolean().default(false),
  forward: forwardSchema.default([]),
  env: z.array(variable).max(64).default([]),
  cut_on: cutOn.default([]),
  idle_timeout: idleTimeout.default(null),
})

const limit = z.strictObject({
  shell: z.boolean().optional(),
  pty: z.boolean().optional(),
  exec: exec.optional(),
  sftp: sftpSchema.optional(),
  scp: z.boolean().optional(),
  forward: forwardSchema.optional(),
  env: z.array(variable).max(64).optional(),
  cut_on: cutOn.optional(),
  idle_timeout: idleTimeout.optional(),
})

export const sshScope = {
  schema: complete.transform((said): SshScope => ({ ...said, pty: said.pty ?? said.shell })),
  limit: limit as z.ZodType<SshLimit>,
  meet,
  isEmpty,
  words,
  warnings,
}

function meet(scope: SshScope, other: SshLimit): SshScope {
  return {
    shell: scope.shell && other.shell !== false,
    pty: scope.pty && other.pty !== false,
    exec: other.exec === undefined ? scope.exec : meetPatterns(scope.exec, other.exec, ['*']),
    sftp: other.sftp === undefined ? scope.sftp : meetSftp(scope.sftp, other.sftp),
    scp: scope.scp && other.scp !== false,
    forward:
      other.forward === undefined ? scope.forward : scope.forward.filter(to => other.forward?.includes(to)),
    env: other.env === undefined ? scope.env : scope.env.filter(name => other.env?.includes(name)),
    cut_on: tidy([...scope.cut_on, ...(other.cut_on ?? [])]),
    idle_timeout: smaller(scope.idle_timeout, other.idle_timeout ?? null),
  }
}

/** Each once and in order, so that equal lists look equal. */
function tidy(list: readonly string[]): readonly string[] {
  return [...new Set(list)].sort()
}

function isEmpty(scope: SshScope): boolean {
  if (scope.shell || scope.sftp !== 'none' || scope.forward.length > 0) return false
  return matchNothing(scope.exec)
}

function words(scope: SshScope): string {
  const parts: string[] = []
  if (scope.shell) parts.push(scope.pty ? 'shell' : 'shell without a terminal')
  const exec = execWords(scope.exec)
  if (exec !== undefined) parts.push(exec)
  const files = sftpWords(scope.sftp)
  if (files !== undefined) parts.push(scope.scp ? `${files}, scp too` : files)
  if (scope.forward.length > 0) parts.push(`forward to ${scope.forward.join(', ')}`)
  if (scope.env.length > 0) parts.push(`env ${scope.env.join(', ')}`)
  if (parts.length === 0) return 'nothing'
  if (scope.cut_on.length > 0) parts.push(`cut on: ${scope.cut_on.join(', ')}`)
  if (scope.idle_timeout !== null) parts.push(`at most ${scope.idle_timeout} ms idle`)
  return parts.join('; ')
}

/** `exec of: uptime, ls *`, or nothing where no command is allowed. */
export function execWords(patterns: ExecPatterns): string | undefined {
  if (matchNothing(patterns)) return undefined
  return `exec of: ${listsOf(patterns)
    .map(list => list.map(patternText).join(', '))
    .join(' and also of: ')}`
}

/** Patterns that let more through than they seem to (attack 114); said only where nobody asked for a shell anyway. */
function warnings(scope: SshScope): readonly string[] {
  if (scope.shell) return []
  const patterns = listsOf(scope.exec).flatMap(list =>
    list.flatMap(text => {
      const equal = equalsShell(text)
      return equal === undefined
        ? []
        : [`exec pattern "${patternText(text)}" is as good as a shell: ${equal} runs other commands`]
    }),
  )
  const variables = scope.env
    .filter(unvouched)
    .map(name => `env ${name}: a program may run code or read a file that this variable names`)
  return [...patterns, ...variables]
}
