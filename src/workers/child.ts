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

/** Until it is gone. The answer asks whether all that was said by now is heard: at once, for what cannot wait. */
export function watch(
  { child, gone }: WorkerProcess,
  ping: () => Promise<void>,
  late: () => void,
): () => void {
  const within = (ms: number): Asking =>
    asking(ping, ms, () => {
      late()
      child.kill('SIGKILL')
    })
  const [nowAndThen, atOnce] = [within(ANSWERS_WITHIN), within(HEARS_WITHIN)]
  const timer = setInterval(() => nowAndThen.isAsked || nowAndThen.ask(), ASKED_EVERY)
  timer.unref()
  void gone.then(() => clearInterval(timer))
  return () => atOnce.ask()
}

interface Asking {
  readonly isAsked: boolean
  /** Once more when the answer is there, where something is asked for meanwhile. */
  ask(): void
}

function asking(ping: () => Promise<void>, ms: number, late: () => void): Asking {
  let open: object | undefined
  let again = false
  const ask = (): void => {
    if (open !== undefined) {
      again = true
      return
    }
    const question = {}
    open = question
    again = false
    // If it is we who stood still, the answer has come by the end of this turn.
    const deadline = setTimeout(() => setImmediate(() => open === question && late()), ms)
    const answered = () => {
      clearTimeout(deadline)
      open = undefined
      if (again) ask()
    }
    // One that fails has ended.
    ping().then(answered, answered)
  }
  return {
    get isAsked() {
      return open !== undefined
    },
    ask,
  }
}

export async function stopProcess({ child, gone }: WorkerProcess, stop: () => void): Promise<void> {
  stop()
  const hard = setTimeout(() => child.kill('SIGKILL'), STOPS_WITHIN)
  await gone
  clearTimeout(hard)
}
