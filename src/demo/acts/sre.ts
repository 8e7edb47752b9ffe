/** Steps 1 to 3: an agent asks for what it may have and gets it, and for what it may not, and does not. */
import { type Granted, granted, short } from '../agent.ts'
import { has } from '../command.ts'
import { type SshClient, sshClient } from '../ssh.ts'
import type { Stage } from '../stage.ts'
import type { World } from '../world.ts'

export interface Held {
  readonly grant: Granted
  readonly ssh: SshClient
}

export async function sre(stage: Stage, { sreBot, gateway }: World): Promise<Held | undefined> {
  stage.title('AGENT sre-bot (a service app; client_groups makes it one of sre-agents)')
  let held: Held | undefined
  await stage.step('postern request web-1 --reason "disk alert"', async () => {
    const answer = await sreBot.request(['web-1', '--reason', 'disk alert'])
    if (!granted(answer)) return { said: `NO ${answer.code}`, kept: false, instead: JSON.stringify(answer) }
    held = { grant: answer, ssh: await sshClient(sreBot, 'web-1', answer) }
    return { said: `YES ${short(answer.id)}, 10m: shell, sftp read`, kept: true }
  })
  const command = has('uptime') ? 'uptime' : 'uname -sr'
  await stage.step(`${held?.ssh.program ?? 'ssh'} web-1 ${command}`, async () => {
    const answer = await held?.ssh.exec(command)
    // uptime's line without its time of day
    const said =
      answer?.stdout
        .trim()
        .replace(/\s+/g, ' ')
        .replace(/^[\d:]+ (?=up)/, '') ?? ''
    return {
      said,
      kept: answer?.status === 0 && said !== '',
      instead: answer?.stderr ?? 'no grant',
    }
  })
  await stage.step('postern request orders-db', async () => {
    const answer = await sreBot.request(['orders-db'])
    if (granted(answer)) return { said: 'YES', kept: false, instead: 'a connection that no rule gives' }
    return {
      said: `NO  ${answer.code}; may ask for: ${answer.may_ask_for?.join(', ')}`,
      kept: answer.code === 'not_permitted' && `${answer.may_ask_for}` === 'web-1',
    }
  })
  const ms = await overHttp(gateway.url, sreBot.token)
  stage.note(
    `the same requests over HTTP, with no program to start: ${ms.map(m => `${m.toFixed(1)} ms`).join(' and ')}`,
  )
  return held
}

/** What the gateway itself takes for a yes and for a no: the middle of five, on one connection as an agent would keep it. */
async function overHttp(url: string, token: string): Promise<number[]> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const timed = async (connection: string): Promise<number> => {
    const start = performance.now()
    const body = JSON.stringify({ connection })
    const answer = await fetch(`${url}/v1/grants`, { method: 'POST', headers, body })
    const { id } = (await answer.json()) as { id?: string }
    const took = performance.now() - start
    if (id !== undefined) await fetch(`${url}/v1/grants/${id}`, { method: 'DELETE', headers })
    return took
  }
  const middle = async (connection: string): Promise<number> => {
    const all: number[] = []
    for (let i = 0; i < 5; i++) all.push(await timed(connection))
    return all.sort((a, b) => a - b)[2] ?? 0
  }
  return [await middle('web-1'), await middle('orders-db')]
}
