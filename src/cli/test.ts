/**
 * `postern test policy.test.yaml`: what the policy must and must not give, written beside it and run in its reviews. The
 * cases are decided by the gateway's own `decide`; docs/policy.md shows the form.
 */
import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { parse, YAMLParseError } from 'yaml'
import type { Config } from '../config/config.ts'
import { formatDuration } from '../config/duration.ts'
import { Refused } from '../denial.ts'
import { decide } from '../policy/decide.ts'
import { readRequest } from '../policy/request.ts'
import { same } from '../policy/same.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { loadOrStop } from './check.ts'
import { exit } from './exit.ts'
import { timeOf } from './explain.ts'
import { print, visible } from './print.ts'
import { Stop } from './stop.ts'
import { suppose } from './supposed.ts'
import { type PolicyCase, policyCases } from './test-form.ts'

type Protocols = ReadonlyMap<string, AnyProtocol>

interface Outcome {
  readonly name: string
  readonly passed: boolean
  /** What was expected and what was found, each way in which they differ. */
  readonly differs: readonly string[]
}

export function testCommand(protocols: Protocols): Command {
  return new Command('test')
    .description('run policy tests')
    .argument('<file>', 'the tests, such as policy.test.yaml')
    .option('-c, --config <file>', 'the configuration', 'postern.yaml')
    .option('--json', 'print JSON')
    .action(async (file: string, options: { config: string; json?: boolean }) => {
      const { config } = await loadOrStop(options.config, protocols)
      const outcomes = (await readCases(file)).map(one => run(one, config, protocols))
      const failed = outcomes.filter(({ passed }) => !passed).length
      print(options.json ? JSON.stringify({ failed, tests: outcomes }, null, 2) : inWords(outcomes, failed))
      process.exitCode = failed === 0 ? exit.ok : exit.no
    })
}

async function readCases(file: string): Promise<readonly PolicyCase[]> {
  let data: unknown
  try {
    data = parse(await readFile(file, 'utf8'), { version: '1.2', schema: 'core', maxAliasCount: 0 })
  } catch (error) {
    const place = error instanceof YAMLParseError ? error.linePos?.[0] : undefined
    const what = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new Stop(exit.usage, `${file}${place === undefined ? '' : `:${place.line}:${place.col}`}: ${what}`)
  }
  const read = policyCases.safeParse(data)
  if (read.success) return read.data
  const lines = read.error.issues.map(
    ({ path, message }) => `${file}: ${path.map(String).join('.') || 'the file'}: ${message}`,
  )
  throw new Stop(exit.usage, lines.join('\n'))
}

function run(one: PolicyCase, config: Config, protocols: Protocols): Outcome {
  const now = timeOf(one.at)
  const request = readRequest(one.ask)
  const { token_left: tokenLeft, ...who } = one.as
  const identity = suppose({ ...who, tokenLeft }, config, now)
  const answer =
    request instanceof Refused
      ? request
      : decide({ identity, request, source: one.from, now }, { ...config, protocols })
  const differs: string[] = []
  const expected = one.expect
  const wants = (what: string, wanted: unknown, found: unknown) => {
    if (wanted !== undefined && !same(wanted, found))
      differs.push(`${what}: expected ${JSON.stringify(wanted)}, found ${JSON.stringify(found) ?? 'nothing'}`)
  }
  if (answer instanceof Refused) {
    const { code, detail } = answer.denial
    if (expected.decision === 'yes') differs.push(`expected yes, found no: ${code}: ${detail}`)
    else if (expected.code !== undefined) wants('code', expected.code, code)
    // A slip of the pen must not pass for a policy that refuses: a request that cannot be read is expected by name.
    else if (code === 'request_invalid') differs.push(`the question itself is not valid: ${detail}`)
  } else if (expected.decision === 'no') {
    differs.push(
      `expected no, found yes by rule ${answer.rule.id}: ${answer.protocol.scope.words(answer.scope)}`,
    )
  } else {
    wants('rule', expected.rule, answer.rule.id)
    wants('ttl', expected.ttl && formatDuration(expected.ttl), formatDuration(answer.ttl))
    wants('ends_by', expected.ends_by, answer.endsBy)
    wants('narrowed', expected.narrowed, answer.narrowed)
    wants('approval', expected.approval, answer.approval !== undefined)
    const scope = answer.scope as Readonly<Record<string, unknown>>
    for (const [key, wanted] of Object.entries(expected.scope ?? {}))
      wants(`scope.${key}`, wanted, scope[key])
  }
  return { name: one.name, passed: differs.length === 0, differs }
}

function inWords(outcomes: readonly Outcome[], failed: number): string {
  const lines = outcomes.flatMap(({ name, passed, differs }) => [
    `${passed ? 'ok  ' : 'FAIL'} ${name}`,
    ...differs.map(text => `       ${text}`),
  ])
  const sum =
    failed === 0 ? `all ${outcomes.length} as expected` : `${failed} of ${outcomes.length} not as expected`
  return [...lines, sum].map(visible).join('\n')
}
