/** `postern explain CONNECTION`: why yes, why no; for groups that are supposed, or for a token that is verified. */
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { Command } from 'commander'
import { clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { Refused } from '../denial.ts'
import { createVerifier } from '../identity/verify.ts'
import { type Explanation, explain, explanationInWords } from '../policy/explain.ts'
import { readRequest } from '../policy/request.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { createLog } from '../telemetry/log.ts'
import type { GrantRequest, Identity, Millis } from '../words.ts'
import { loadOrStop } from './check.ts'
import { exit } from './exit.ts'
import { type RequestOptions, withRequestOptions } from './grant.ts'
import { print, visible } from './print.ts'
import { Stop } from './stop.ts'
import { suppose } from './supposed.ts'

interface Options extends RequestOptions {
  readonly config: string
  readonly group?: readonly string[]
  readonly client?: string
  readonly issuer?: string
  readonly tokenFile?: string
  readonly source: string
  readonly at?: string
}

export function explainCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  const command = new Command('explain')
    .description('why yes, why no')
    .argument('<connection>')
    .option('-c, --config <file>', 'the configuration', 'postern.yaml')
    .option('-g, --group <group>', 'a group of the caller; may be repeated', collected)
    .option('--client <id>', 'the OAuth client it comes through')
    .option('--issuer <name>', "the issuer's name, where there are several")
    .option('--token-file <file>', 'a real access token instead: verified as the gateway would')
    .option('--source <address>', 'where the call comes from', '127.0.0.1')
    .option('--at <time>', 'when, such as 2026-03-02T12:00:00+01:00; default now')
    .option('--json', 'print JSON')
  return withRequestOptions(command).action(async (connection: string, options: Options) => {
    if (isIP(options.source) === 0)
      throw new Stop(exit.usage, `--source is not an IP address: ${options.source}`)
    const { config } = await loadOrStop(options.config, protocols)
    const now = timeOf(options.at)
    const identity = await identityOf(options, config, now)
    const request = requestOf(connection, options)
    const told =
      identity instanceof Refused
        ? refusedToken(identity)
        : explain({ identity, request, source: options.source, now }, { ...config, protocols })
    print(options.json ? JSON.stringify(told, null, 2) : explanationInWords(told).map(visible).join('\n'))
    process.exitCode = told.decision === 'yes' ? exit.ok : exit.no
  })
}

/** One at a time: a variadic option would take the connection for one more group. */
function collected(group: string, before: readonly string[] = []): readonly string[] {
  return [...before, group]
}

export function timeOf(text: string | undefined): Millis {
  const at = text === undefined ? Date.now() : Date.parse(text)
  if (Number.isNaN(at))
    throw new Stop(exit.usage, `not a time: ${text}; write it as 2026-03-02T12:00:00+01:00`)
  return at
}

async function identityOf(options: Options, config: Config, now: Millis): Promise<Identity | Refused> {
  const { tokenFile, group, client, issuer } = options
  if (tokenFile === undefined) return suppose({ groups: group, client, issuer }, config, now)
  if (group !== undefined || client !== undefined || issuer !== undefined) {
    throw new Stop(exit.usage, '--token-file says who is asking: leave out --group, --client and --issuer')
  }
  const text = await readFile(tokenFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Stop(exit.usage, `${tokenFile} cannot be read: ${error.code}`)
  })
  const verifier = createVerifier({
    ...config,
    clock: { ...clock, now: () => now },
    fetch,
    log: createLog('silent'),
  })
  return verifier.verify({ token: text.trim(), scheme: 'bearer' })
}

function refusedToken({ denial }: Refused): Explanation {
  return {
    decision: 'no',
    code: denial.code,
    steps: [{ ok: false, text: `the token is refused: ${denial.detail}` }],
  }
}

function requestOf(connection: string, { ttl, reason, task, rule, scope }: RequestOptions): GrantRequest {
  const body = { connection, ttl, reason, task, rule, scope: scope === undefined ? undefined : jsonOf(scope) }
  const request = readRequest(
    Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)),
  )
  if (request instanceof Refused) throw new Stop(exit.usage, request.denial.detail)
  return request
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Stop(exit.usage, '--scope is not JSON')
  }
}
