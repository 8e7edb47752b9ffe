/** Run by spare.test.ts under a low limit of open files: decides and seals while no descriptor is left. */
import { closeSync, openSync } from 'node:fs'
import { argv } from 'node:process'
import { openWorld } from './audit.fixture.ts'

const [data = ''] = argv.slice(2)
const { audit } = await openWorld(data)
const taken: number[] = []
const takeAll = (): string => {
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'))
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? ''
    }
  }
}
const said: unknown[] = []
for (let n = 0; n < 3; n++) {
  const full = takeAll()
  await audit.decided({ type: 'lock.set', detail: `${n}` })
  await audit.seal()
  said.push([full, audit.healthy])
}
for (const fd of taken) closeSync(fd)
await audit.close()
console.log(JSON.stringify(said))
