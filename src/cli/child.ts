/** Runs one program with the terminal as it is, passes signals on, and answers with its exit code. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { exit } from './exit.ts'
import { Stop } from './stop.ts'

const PASSED_ON = ['SIGTERM', 'SIGHUP'] as const

export function runChild(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env })
    const pass = (signal: NodeJS.Signals) => child.kill(signal)
    // Ctrl-C reaches the whole foreground group by itself: we only must outlive the child to give the grant back.
    const ignore = () => undefined
    for (const signal of PASSED_ON) process.on(signal, pass)
    process.on('SIGINT', ignore)
    const done = () => {
      for (const signal of PASSED_ON) process.off(signal, pass)
      process.off('SIGINT', ignore)
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      done()
      const why = error.code === 'ENOENT' ? `${program} is not installed on this machine` : error.message
      reject(new Stop(exit.unavailable, why))
    })
    child.on('close', (code, signal) => {
      done()
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}
