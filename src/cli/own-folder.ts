/** A folder for one run's files, a key among them: gone with the run, and also where a signal ends that before its client starts. */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface OwnFolder extends AsyncDisposable {
  readonly path: string
  /** A grant is asked for: from now on signals are another's, and the run outlives them to give the grant back. */
  started(): void
}

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export async function ownFolder(): Promise<OwnFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-'))
  const end = (signal: NodeJS.Signals) => {
    rmSync(folder, { recursive: true, force: true })
    started()
    process.kill(process.pid, signal)
  }
  const started = () => {
    for (const signal of ENDING) process.off(signal, end)
  }
  // However early it ends, also at a second signal.
  const gone = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', gone)
  for (const signal of ENDING) process.on(signal, end)
  return {
    path: folder,
    started,
    async [Symbol.asyncDispose]() {
      started()
      process.off('exit', gone)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
