/** What a visitor can try while the demo stays up: whole lines, to be pasted into another terminal. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { has, postern } from './command.ts'
import type { Stage } from './stage.ts'
import type { World } from './world.ts'

export async function printTries(stage: Stage, { gateway, sreBot, analystBot }: World): Promise<void> {
  const as = (tokenFile: string): string => `POSTERN_URL=${gateway.url} POSTERN_TOKEN_FILE=${tokenFile}`
  const lines: [string, string][] = []
  if (has('psql'))
    lines.push(['SQL, as analyst-bot', `${as(analystBot.tokenFile)} ${postern} connect orders-db`])
  if (has('ssh')) lines.push(['a shell, as sre-bot', `${as(sreBot.tokenFile)} ${postern} connect web-1`])
  lines.push(['what each may have', `${postern} check -c ${gateway.configFile}`])
  const session = await someSession(join(gateway.data, 'recordings'))
  if (session !== undefined)
    lines.push(['a session again', `${postern} replay --data ${gateway.data} ${session}`])
  lines.push(['decisions, live', `tail -f ${gateway.data}/audit/*.jsonl`])
  for (const [what, line] of lines) stage.line(`  ${what.padEnd(20)} ${line}`)
}

/** The SSH session of step 2. */
async function someSession(recordings: string): Promise<string | undefined> {
  for (const session of (await readdir(recordings)).sort()) {
    const first = (await readFile(join(recordings, session, 'session.jsonl'), 'utf8')).split('\n', 1)[0] ?? ''
    if (first.includes('"web-1"')) return session
  }
  return undefined
}
