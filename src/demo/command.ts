/** Runs the story's programs and keeps everything they print: the last step searches it for secrets. */
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join, resolve } from 'node:path'

export interface Ran {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  readonly input?: string
}

/** Everything printed so far by whatever the agents ran. */
export const transcript: string[] = []

export const postern = resolve(import.meta.dirname, '../../bin/postern')

const patience = 30_000

export function run(program: string, args: readonly string[], how: Running = {}): Promise<Ran> {
  const child = spawn(program, args, {
    cwd: how.cwd,
    env: { ...cleanEnvironment(), ...how.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: patience,
    killSignal: 'SIGKILL',
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
  child.stdin.on('error', () => undefined).end(how.input ?? '')
  return new Promise((done, fail) => {
    child.once('error', fail)
    child.once('close', status => {
      transcript.push(stdout, stderr)
      done({ status, stdout, stderr })
    })
  })
}

/** Nobody's PGPASSWORD, POSTERN_TOKEN or ssh agent from outside may take part in the story. */
function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|POSTERN_|SSH_)/.test(name))
  return Object.fromEntries(kept) as Record<string, string>
}

/** Whether this machine has a program. */
export function has(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
