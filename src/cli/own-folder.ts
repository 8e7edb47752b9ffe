/** A folder for one run's files, a key among them: gone with the run, and also where a signal ends that before its client starts. */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface OwnFolder extends AsyncDisposable {
  readonly path: string
  /** The client starts: from now on signals are its, and the run outlives it to give the grant back. */
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
  for (const signal of ENDING) process.on(signal, end)
  return {
    path: folder,
    started,
    async [Symbol.asyncDispose]() {
      started()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
