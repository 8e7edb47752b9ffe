/**
 * One worker's process: started with a bare environment, asked now and then whether it is still there, and killed when it does
 * not answer.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Programs start where the command line starts. */
const program = fileURLToPath(new URL('../../bin/start.mjs', import.meta.url))
/** Secrets that the configuration takes from the environment are the first process's: a worker is told the one lease it dials with. */
const inherited =
  /^(PATH|HOME|TZ|LANG|LC_[A-Z]+|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|POSTERN_LOG)$/

const ASKED_EVERY = 3000
/** A worker that says nothing for so long serves nobody, and could not cut anybody in time. */
const ANSWERS_WITHIN = 10_000
/** One that has been told to cut a session, and does not hear it. */
const HEARS_WITHIN = 2000
/** A worker that was told to stop has nothing left to do. */
const STOPS_WITHIN = 2000

export interface WorkerProcess {
  readonly child: ChildProcess
  /** It has ended, and all that it said has been heard. */
  readonly gone: Promise<void>
}

export function startProcess(n: number): WorkerProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => inherited.test(name)))
  const child = fork(program, ['worker', String(n)], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env,
  })
  // One that could not be started, or a channel that broke, is a worker that is gone.
  child.on('error', () => child.kill('SIGKILL'))
  child.on('disconnect', () => child.kill('SIGKILL'))
  return { child, gone: new Promise(resolve => child.once('close', () => resolve())) }
}

/** Until it is gone. What is answered, when called, has all that was said in this turn heard soon, or kills it. */
export function watch(
  { child, gone }: WorkerProcess,
  ping: () => Promise<void>,
  late: () => void,
): () => void {
  const ask = async (ms: number): Promise<void> => {
    let isAnswered = false
    const kill = () => {
      if (isAnswered) return
      late()
      child.kill('SIGKILL')
    }
    // If it is we who stood still, the answer has come by the end of this turn.
    const deadline = setTimeout(() => setImmediate(kill), ms)
    // One that fails has ended.
    await ping().catch(() => undefined)
    isAnswered = true
    clearTimeout(deadline)
  }
  const timer = setInterval(() => void ask(ANSWERS_WITHIN), ASKED_EVERY)
  timer.unref()
  void gone.then(() => clearInterval(timer))
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    setImmediate(() => {
      isDue = false
      void ask(HEARS_WITHIN)
    })
  }
}

export async function stopProcess({ child, gone }: WorkerProcess, stop: () => void): Promise<void> {
  stop()
  const hard = setTimeout(() => child.kill('SIGKILL'), STOPS_WITHIN)
  await gone
  clearTimeout(hard)
}
