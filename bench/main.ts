/** `make bench`: every benchmark, one after the other, in one run on one machine. See docs/performance.md for what they mean. */
import { openHome } from '../src/demo/home.ts'
import { benchGrants } from './grants.ts'
import { benchHttp } from './http.ts'
import { benchMemory } from './memory.ts'
import { benchPostgres } from './postgres.ts'
import { benchPostgresRest } from './postgres-rest.ts'
import { benchSsh } from './ssh.ts'

const say = (line: string) => console.log(line)
for (const bench of [benchPostgres, benchPostgresRest, benchSsh, benchHttp, benchGrants, benchMemory]) {
  // A world each: what one leaves in caches and tables is not the next one's.
  const home = await openHome()
  try {
    await bench(home, say)
  } finally {
    await home.close()
  }
}
