/** `postern check`: is postern.yaml valid, and who can reach what by it? Reads the file alone; calls nobody. */
import { Command } from 'commander'
import type { Config, Rule } from '../config/config.ts'
import { doubtsOf } from '../config/doubts.ts'
import { formatDuration } from '../config/duration.ts'
import { loadConfig } from '../config/load.ts'
import type { Loaded } from '../config/parse.ts'
import { checkPermissions } from '../config/permissions.ts'
import { ConfigError, renderProblem } from '../config/problem.ts'
import { loadTls } from '../listener/tls.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { Unfit } from '../unfit.ts'
import { exit } from './exit.ts'
import { print, table, visible } from './print.ts'
import { Stop } from './stop.ts'

type Protocols = ReadonlyMap<string, AnyProtocol>

export function checkCommand(protocols: Protocols): Command {
  return new Command('check')
    .description('validate postern.yaml; who can reach what')
    .option('-c, --config <file>', 'the configuration', 'postern.yaml')
    .option('--strict', `exit code ${exit.config} also where serve would refuse to start here`)
    .option('--json', 'print JSON')
    .action(async (options: { config: string; strict?: boolean; json?: boolean }) => {
      const loaded = await loadOrStop(options.config, protocols)
      const refused = [...(await checkPermissions(loaded)), ...(await unusable(loaded.config))]
      const warnings = [
        ...warningsOf(loaded, options.config, protocols),
        ...refused.map(problem => `serve would refuse to start: ${problem}`),
      ]
      print(
        options.json
          ? asJson(loaded, warnings, protocols)
          : asText(loaded, warnings, options.config, protocols),
      )
      if (options.strict && refused.length > 0) process.exitCode = exit.config
    })
}

/** The operator's own certificate; one of ours is made at the start. What is not there, its permissions have told. */
async function unusable({ listen: { tls }, data }: Config): Promise<string[]> {
  if (tls === 'auto') return []
  return loadTls(tls, data, [], Date.now()).then(
    () => [],
    error => (error instanceof Unfit ? [error.message] : []),
  )
}

/** For every command that begins with a configuration: its problems are printed as they are, with exit code 78. */
export async function loadOrStop(file: string, protocols: Protocols): Promise<Loaded> {
  try {
    return await loadConfig(file, protocols)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { problems } = error
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
    const lines = problems.map(problem => visible(renderProblem(file, problem)))
    throw new Stop(exit.config, [`${visible(file)} is not valid: ${count}`, ...lines].join('\n'), {
      valid: false,
      file,
      problems,
    })
  }
}

function warningsOf(loaded: Loaded, file: string, protocols: Protocols): string[] {
  const meant = reachOf(loaded, protocols).flatMap(({ rule, protocol, scope }) => {
    const said = protocols.get(protocol)?.scope.warnings?.(scope) ?? []
    return said.map(warning => `rule ${rule}: ${warning}`)
  })
  return [...doubtsOf(loaded, file), ...meant]
}

interface Reach {
  readonly rule: string
  readonly issuer: string
  readonly group: string
  readonly connection: string
  readonly protocol: string
  readonly ttl: string
  /** What is left of the rule's scope under the connection's ceiling. */
  readonly scope: unknown
  readonly words: string
  readonly only_if: readonly string[]
}

function reachOf({ config }: Loaded, protocols: Protocols): Reach[] {
  return config.rules.map(rule => {
    const connection = config.connections.get(rule.connection)
    const protocol = protocols.get(connection?.protocol ?? '')
    if (connection === undefined || protocol === undefined)
      throw new TypeError(`rule ${rule.id} was not held against its connection`)
    const scope = protocol.scope.meet(rule.scope, connection.ceiling ?? {})
    return {
      rule: rule.id,
      issuer: rule.issuer,
      group: rule.group,
      connection: connection.name,
      protocol: protocol.name,
      ttl: formatDuration(rule.ttl),
      scope,
      words: protocol.scope.isEmpty(scope) ? 'nothing' : protocol.scope.words(scope),
      only_if: conditionsOf(rule),
    }
  })
}

function conditionsOf({
  approval,
  require,
  when,
  sessions,
  useWithin,
  outliveToken,
  recordValues,
}: Rule): string[] {
  const said: string[] = []
  if (approval !== undefined)
    said.push(`approved by ${approval.count} of ${approval.group} within ${formatDuration(approval.within)}`)
  if (require.length > 0) said.push(`states ${require.join(' and ')}`)
  if (when?.clients !== undefined) said.push(`client ${when.clients.join(' or ')}`)
  if (when?.source !== undefined) said.push(`from ${when.source.join(' or ')}`)
  if (when?.hours !== undefined) said.push(hoursInWords(when.hours))
  if (sessions.total !== undefined)
    said.push(sessions.total === 1 ? 'one session in all' : `${sessions.total} sessions in all`)
  if (useWithin !== undefined) said.push(`used within ${formatDuration(useWithin)}`)
  if (outliveToken) said.push('may outlive its token')
  if (recordValues) said.push('values are recorded')
  return said
}

function hoursInWords({ days, from, to, zone }: NonNullable<NonNullable<Rule['when']>['hours']>): string {
  const names = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
  const clock = (minutes: number) =>
    [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join(':')
  return `${days.map(day => names[day]).join(',')} ${clock(from)}-${clock(to)} ${zone}`
}

function asJson(loaded: Loaded, warnings: readonly string[], protocols: Protocols): string {
  const { file, digest } = loaded.config
  return JSON.stringify(
    { valid: true, file, policy: digest, reach: reachOf(loaded, protocols), warnings },
    null,
    2,
  )
}

function asText(loaded: Loaded, warnings: readonly string[], file: string, protocols: Protocols): string {
  const { config } = loaded
  const severalIssuers = config.issuers.size > 1
  const rows = reachOf(loaded, protocols).map(reach => [
    severalIssuers ? `${reach.issuer}/${reach.group}` : reach.group,
    reach.connection,
    reach.protocol,
    reach.ttl,
    reach.words,
    reach.only_if.join('; '),
  ])
  const reaches =
    rows.length === 0
      ? 'No rules: every request is refused.'
      : table(['GROUP', 'CONNECTION', 'PROTOCOL', 'TTL', 'MAY', 'ONLY IF'], rows)
  const summary = `${visible(file)} is valid (policy ${config.digest.slice(0, 12)}).`
  return [
    summary,
    '',
    reaches,
    ...(warnings.length === 0 ? [] : ['', ...warnings.map(one => `warning: ${visible(one)}`)]),
  ].join('\n')
}
