/** Steps 4 to 7: the same agent turns on the gateway with all that it has: its token, its grant, its own machine. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { granted, short } from '../agent.ts'
import { sqlClient } from '../sql.ts'
import type { Stage } from '../stage.ts'
import type { World } from '../world.ts'
import type { Held } from './sre.ts'

export async function hostile(stage: Stage, world: World, held: Held | undefined): Promise<void> {
  const { sreBot, gateway, orders, analystBot } = world
  stage.title('NOW IT IS HOSTILE')

  await stage.step('edits its copy of the policy, asks again', async () => {
    const copy = join(sreBot.folder, 'postern.yaml')
    await writeFile(copy, gateway.config.replaceAll('analyst-agents', 'sre-agents'))
    const answer = await sreBot.request(['orders-db'])
    const untouched = (await readFile(gateway.configFile, 'utf8')) === gateway.config
    const kept = !granted(answer) && answer.code === 'not_permitted' && untouched
    return { said: 'NO  no effect: the gateway reads its own', kept, instead: JSON.stringify(answer) }
  })

  await stage.step(`shows ${short(held?.grant.id ?? '')} at the database door`, async () => {
    if (held === undefined) return { said: 'not tried', kept: false, instead: 'there was no grant to show' }
    const { credential } = held.grant
    const door = await doorOf(world)
    // The id and the password are right, and for another connection: the door must not even say so.
    const env = { ...door.env, PGUSER: credential.username, PGPASSWORD: credential.password }
    const { error } = await (await sqlClient(sreBot, { ...door, env, credential })).query('select 1')
    return {
      said: `NO  ${error?.text.replace(/ for user .*/, '') ?? ''}`,
      kept: error !== undefined && /password|credential|grant/i.test(error.text),
      instead: error?.text ?? 'the door opened',
    }
  })

  await stage.step('adds a group to its token', async () => {
    const forged = join(sreBot.folder, 'forged-token')
    await writeFile(forged, withGroup(sreBot.token, 'analyst-agents'))
    const answer = await sreBot.request(['orders-db'], forged)
    const code = granted(answer) ? 'granted' : answer.code
    return { said: `NO  ${code}`, kept: code === 'token_signature', instead: JSON.stringify(answer) }
  })

  await stage.step(
    `forwards a port to the database${held?.ssh.program === 'ssh' ? ' (ssh -W)' : ''}`,
    async () => {
      const answer = await held?.ssh.forward('127.0.0.1', orders.port)
      return {
        said: 'NO  forward is not in scope',
        kept: answer !== undefined && answer.status !== 0 && /prohibited|not in scope/i.test(answer.stderr),
        instead: answer?.stderr || 'the port was forwarded',
      }
    },
  )

  /** Where the database door is: an agent that may have a connection there knows. */
  async function doorOf({ analystBot: other }: World) {
    const answer = await other.request(['orders-db'])
    if (!granted(answer)) throw new Error(`analyst-bot was refused: ${answer.code}`)
    await analystBot.postern(['end', answer.id])
    return answer
  }
}

function withGroup(token: string, group: string): string {
  const [header, payload, signature] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as { groups?: string[] }
  const more = { ...claims, groups: [...(claims.groups ?? []), group] }
  return [header, Buffer.from(JSON.stringify(more)).toString('base64url'), signature].join('.')
}
