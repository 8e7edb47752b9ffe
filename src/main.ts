/**
 * The command line. Each command is one file under `cli/`, imported only when it is named, so that `postern request`
 * does not load a gateway. The gateway itself is composed in `gateway.ts`.
 */
import { Command, CommanderError } from 'commander'
import project from '../package.json' with { type: 'json' }
import { exit } from './cli/exit.ts'
import { visible, visibleLines } from './cli/print.ts'
import { Stop } from './cli/stop.ts'
import { didYouMean } from './config/nearest.ts'
import { json } from './ledger/text.ts'
import type { AnyProtocol } from './protocol/protocol.ts'

type Protocols = ReadonlyMap<string, AnyProtocol>
const protocols = async (): Promise<Protocols> => (await import('./protocol/registry.ts')).protocols

const commands: Readonly<Record<string, { readonly does: string; readonly load: () => Promise<Command> }>> = {
  serve: {
    does: 'the gateway',
    load: async () => (await import('./cli/serve.ts')).serveCommand(await protocols()),
  },
  worker: {
    does: 'a process of `serve --workers`, which starts it',
    load: async () => (await import('./cli/worker.ts')).workerCommand(await protocols()),
  },
  demo: {
    does: 'see it work, everything embedded',
    load: async () => (await import('./cli/demo.ts')).demoCommand(),
  },
  check: {
    does: 'validate postern.yaml; who can reach what',
    load: async () => (await import('./cli/check.ts')).checkCommand(await protocols()),
  },
  explain: {
    does: 'why yes, why no',
    load: async () => (await import('./cli/explain.ts')).explainCommand(await protocols()),
  },
  test: {
    does: 'run policy tests',
    load: async () => (await import('./cli/test.ts')).testCommand(await protocols()),
  },
  diff: {
    does: 'who gains and who loses what between two configurations',
    load: async () => (await import('./cli/diff.ts')).diffCommand(await protocols()),
  },
  connections: {
    does: 'what this token may ask for',
    load: async () => (await import('./cli/connections.ts')).connectionsCommand(),
  },
  request: {
    does: 'ask for one connection',
    load: async () => (await import('./cli/request.ts')).requestCommand(),
  },
  end: { does: 'give a grant back', load: async () => (await import('./cli/end.ts')).endCommand() },
  connect: {
    does: 'ask, run psql, ssh, curl or kubectl, give back',
    load: async () => (await import('./cli/connect.ts')).connectCommand(await protocols()),
  },
  run: {
    does: 'ask, run any command, give back',
    load: async () => (await import('./cli/run.ts')).runCommand(await protocols()),
  },
  config: {
    does: 'a ready-made kubeconfig',
    load: async () => (await import('./cli/config.ts')).configCommand(),
  },
  replay: { does: 'play a recording', load: async () => (await import('./cli/replay.ts')).replayCommand() },
  audit: {
    does: 'verify or follow the audit',
    load: async () => (await import('./cli/audit.ts')).auditCommand(),
  },
}

const CODES = `
Exit codes: 0 done; ${exit.no} the answer is no (refused, broken chain, failed test); ${exit.usage} wrong usage;
${exit.unavailable} the gateway or a program is not there, or a port or data/ is taken; ${exit.internal} a defect;
${exit.config} postern.yaml is not valid, or what it names is not as it must be.
connect and run end with the exit code of what they ran.`

async function main(argv: readonly string[]): Promise<void> {
  const named = argv[2] === 'help' ? argv[3] : argv[2]
  if (named !== undefined && !named.startsWith('-') && named !== 'help' && !Object.hasOwn(commands, named))
    throw new Stop(
      exit.usage,
      `there is no command ${visible(named)}${didYouMean(named, Object.keys(commands))}`,
    )
  const program = new Command('postern')
    .description('One Okta token, one connection: decided outside the agent, judged, recorded, cut on time.')
    .version(project.version)
    .addHelpText('after', CODES)
    .exitOverride()
  for (const [name, { does, load }] of Object.entries(commands)) {
    const command = name === named ? await load() : new Command(name).description(does)
    // Sub-commands inherit exitOverride only when made by their parent.
    for (const each of [command, ...command.commands]) each.exitOverride()
    program.addCommand(command, { hidden: name === 'worker' })
  }
  await program.parseAsync([...argv])
}

/** What follows `--` is another program's. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end < 0 ? undefined : end).includes('--json')
}

// `postern audit tail | head`: the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exit.ok)
  throw error
})

try {
  await main(process.argv)
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exit.ok : exit.usage
  } else if (error instanceof Stop) {
    process.exitCode = error.exitCode
    if (wantsJson(process.argv)) console.log(json(error.answer ?? { error: error.message }))
    else console.error(visibleLines(`postern: ${error.message}`))
  } else {
    process.exitCode = exit.internal
    console.error('postern: a defect of ours; please report it:', error)
  }
}
