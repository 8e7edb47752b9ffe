/** Run by crash.test.ts until it is killed: issues, uses, renews, revokes, gives back and locks, and says what was acknowledged. */
import { randomInt } from 'node:crypto'
import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { openGateway, type Said } from './crash.fixture.ts'
import { decided, given, identity, MINUTE } from './house.fixture.ts'

const { grants, clock } = await openGateway(argv[2] ?? '')
const say = (what: Said) => writeSync(1, `${JSON.stringify(what)}\n`)

async function agent(name: string): Promise<never> {
  for (let n = 0; ; n++) {
    const bot = identity({ subject: `${name}-${n}`, expiresAt: clock.now() + 60 * MINUTE })
    const issued = given(
      await grants.issue(decided(clock, { identity: bot, sessions: { atOnce: 1, total: 1 } })),
    )
    const { id, owner } = issued.grant
    say({ id, did: 'issued', password: issued.password ?? '' })
    const act = randomInt(6)
    if (act === 0) continue
    if (act === 1) {
      say({ id, did: 'renewing' })
      const { password } = given(await grants.renew(id, owner))
      say({ id, did: 'renewed', password })
    } else if (act === 2) {
      say({ id, did: 'using' })
      given(await grants.use(id))
      say({ id, did: 'used' })
    } else {
      say({ id, did: 'ending' })
      if (act === 3) await grants.revoke([id], { text: 'it was revoked' })
      else if (act === 4) given(await grants.end(id, owner))
      else given(await grants.locks.set({ subject: bot.subject, reason: 'incident', ttl: MINUTE }, bot))
      say({ id, did: 'ended', ...(act === 5 ? { locked: bot.subject } : {}) })
    }
  }
}

process.stdout.write('{"did":"ready"}\n')
await Promise.all(Array.from({ length: 8 }, (_, i) => agent(`bot${process.pid}-${i}`)))
