/** One who holds an Okta token and nothing else: a folder, the token in a file, and the `postern` commands. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postern, type Ran, run } from './command.ts'
import type { Gateway } from './gateway.ts'
import type { Home } from './home.ts'

export interface Agent {
  readonly name: string
  readonly folder: string
  readonly token: string
  readonly tokenFile: string
  /** `postern ...` as this agent; with another token file where it cheats. */
  postern(args: readonly string[], tokenFile?: string): Promise<Ran>
  request(args: readonly string[], tokenFile?: string): Promise<Granted | Denied>
}

/** What `postern request --json` answers, as far as the story looks. */
export interface Granted {
  readonly id: string
  readonly scope: object
  readonly expires_at: string
  readonly endpoint: {
    readonly host: string
    readonly port: number
    readonly ca?: string
    readonly host_key?: string
  }
  readonly credential: { readonly username: string; readonly password: string }
  readonly env: Readonly<Record<string, string>>
}

export interface Denied {
  readonly code: string
  readonly detail?: string
  readonly may_ask_for?: readonly string[]
}

export const granted = (answer: Granted | Denied): answer is Granted =>
  'id' in answer && 'credential' in answer

export async function makeAgent(home: Home, gateway: Gateway, name: string, token: string): Promise<Agent> {
  const folder = await home.folder(name)
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, token, { mode: 0o600 })
  const command: Agent['postern'] = (args, file = tokenFile) =>
    run(postern, args, { cwd: folder, env: { POSTERN_URL: gateway.url, POSTERN_TOKEN_FILE: file } })
  return {
    name,
    folder,
    token,
    tokenFile,
    postern: command,
    async request(args, file) {
      const { stdout, stderr } = await command(['request', ...args, '--json'], file)
      try {
        return JSON.parse(stdout) as Granted | Denied
      } catch {
        throw new Error(`postern request said: ${stdout}${stderr}`)
      }
    },
  }
}

/** Ids are long enough that nobody guesses them; here the beginning will do. */
export const short = (id: string): string => `${id.slice(0, 8)}…`
