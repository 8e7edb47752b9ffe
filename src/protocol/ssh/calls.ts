/** The one-shot of an SSH grant: `exec`, one command through the relay that serves clients on the wire (`local.ts`). */
import { z } from 'zod'
import { duration } from '../../config/duration.ts'
import { type Refused, refuse } from '../../denial.ts'
import { refusedBy } from '../../ending.ts'
import type { Ending } from '../../words.ts'
import type { Call, Session } from '../protocol.ts'
import { LocalClient, type Ran } from './local.ts'
import { oneLine } from './refuse.ts'
import type { SshScope } from './scope.ts'
import type { SshUpstream } from './upstream.ts'

type SshSession = Session<SshScope, SshUpstream>

/** OpenSSH's server takes no longer command line than fits a packet of its own. */
const maxCommand = 32_768
const maxStdin = 1024 * 1024
const maxOutput = 1024 * 1024
const usualMillis = 60_000

const input = z.strictObject({
  command: z
    .string()
    .min(1)
    .refine(text => Buffer.byteLength(text) <= maxCommand, 'a command has at most 32 KiB')
    // Half a surrogate pair has no UTF-8: what is judged must be what is sent.
    .refine(text => text.isWellFormed(), 'a command is text'),
  stdin: z
    .string()
    .refine(text => Buffer.byteLength(text) <= maxStdin, 'stdin has at most 1 MiB')
    .refine(text => text.isWellFormed(), 'stdin is text')
    .optional(),
  timeout: duration('1s', '10m').optional().describe('default 60s'),
})

const output = z.object({
  stdout: z.string(),
  stderr: z.string(),
  exit_code: z.int().nullable().describe('null where a signal or the time-out ended it'),
  signal: z.string().nullable(),
  truncated: z.boolean().describe('an output was longer than 1 MiB; the recording counts all of it'),
  timed_out: z.boolean(),
  encoding: z.literal('base64').optional().describe('both outputs, where one of them is not UTF-8'),
})

export type ExecInput = z.output<typeof input>
export type ExecOutput = z.output<typeof output>

/** One session, one client: commands of a grant that run at once share its one connection to the host. */
const clients = new WeakMap<SshSession, LocalClient>()

export const exec: Call<SshScope, SshUpstream, ExecInput, ExecOutput> = {
  summary: 'Runs one command on the host and waits for its end',
  input,
  output,
  async run({ command, stdin = '', timeout = usualMillis }, session) {
    const client = clientOf(session)
    const ran = await client.run({
      command,
      stdin: Buffer.from(stdin),
      millis: timeout,
      maxBytes: maxOutput,
    })
    if (client.fault !== undefined) throw client.fault.error
    return ran.ran ? shown(ran) : refused(ran, session)
  },
}

function clientOf(session: SshSession): LocalClient {
  const known = clients.get(session)
  if (known !== undefined) return known
  const made = new LocalClient(session)
  clients.set(session, made)
  return made
}

function shown(ran: Ran & { ran: true }): ExecOutput {
  const [stdout, stderr] = [text(ran.stdout, ran.truncated), text(ran.stderr, ran.truncated)]
  const readable = stdout !== undefined && stderr !== undefined
  return {
    stdout: readable ? stdout : ran.stdout.toString('base64'),
    stderr: readable ? stderr : ran.stderr.toString('base64'),
    exit_code: ran.status ?? null,
    signal: ran.signal ?? null,
    truncated: ran.truncated,
    timed_out: ran.timedOut,
    ...(readable ? {} : { encoding: 'base64' }),
  }
}

/** A character that the limit cut in two does not make the rest unreadable. */
function text(bytes: Buffer, cut: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: cut })
  } catch {
    return undefined
  }
}

function refused(ran: Ran & { ran: false }, { signal }: SshSession): Refused {
  if ('denial' in ran) return refuse(ran.denial.code, ran.denial.detail, ran.denial)
  if (signal.aborted) return refusedBy(signal.reason as Ending)
  return refuse('upstream_refused', ran.why, { say: `the host: ${oneLine(ran.why)}` })
}
