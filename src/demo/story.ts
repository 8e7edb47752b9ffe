/**
 * The demo: one story in sixteen steps, each done for real against real servers, each figure measured, each held
 * against what was promised.
 */
import { exit } from '../cli/exit.ts'
import { Stop } from '../cli/stop.ts'
import { analyst } from './acts/analyst.ts'
import { hostile } from './acts/hostile.ts'
import { proof } from './acts/proof.ts'
import { sre } from './acts/sre.ts'
import { openHome } from './home.ts'
import { makeStage } from './stage.ts'
import { printTries } from './tries.ts'
import { startWorld } from './world.ts'

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Resolves to whether everything was as promised. Without `once`, stays up until Ctrl-C. */
export async function tellStory({ once }: { once: boolean }): Promise<boolean> {
  const start = performance.now()
  const stage = makeStage(process.stdout)
  stage.line(
    'Postern demo: a real PostgreSQL, a real SSH host, an Okta stand-in, the gateway; all on this machine',
  )
  const home = await openHome()
  const interrupted = untilInterrupted()
  try {
    const told = (async () => {
      const world = await startWorld(home).catch(cannotStart)
      stage.line(
        `PostgreSQL ${world.orders.version}, ${world.host.kind}, oidc-provider, postern: ready in ${seconds(start)}`,
      )
      const held = await sre(stage, world)
      await hostile(stage, world, held)
      await analyst(stage, world)
      await proof(stage, world)
      return world
    })()
    const world = await Promise.race([told, interrupted])
    if (world === undefined) {
      told.catch(() => undefined)
      return false
    }
    const kept = stage.kept === stage.steps
    stage.line(
      `${stage.kept} of ${stage.steps} as promised, ${seconds(start)}.${once ? '' : ' Still up; Ctrl-C removes everything. Try:'}`,
    )
    if (!once) {
      await printTries(stage, world)
      await interrupted
    }
    return kept
  } finally {
    await home.close()
  }
}

function cannotStart(error: Error): never {
  throw new Stop(exit.unavailable, `the demo cannot start here: ${error.message}`)
}

/** Once is enough: a second Ctrl-C while everything is being removed changes nothing. */
function untilInterrupted(): Promise<undefined> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve(undefined))
  })
}
