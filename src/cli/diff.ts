/** `postern diff OLD NEW`: who gains and who loses what between two configurations, in words, for the review of a change. */
import { Command } from 'commander'
import { compareRules, type RuleChange } from '../policy/compare.ts'
import { compareSurroundings } from '../policy/surroundings.ts'
import type { AnyProtocol } from '../protocol/protocol.ts'
import { loadOrStop } from './check.ts'
import { print, visible } from './print.ts'

export function diffCommand(protocols: ReadonlyMap<string, AnyProtocol>): Command {
  return new Command('diff')
    .description('who gains and who loses what between two configurations')
    .argument('<old>', 'a postern.yaml')
    .argument('<new>', 'another')
    .option('--json', 'print JSON')
    .action(async (oldFile: string, newFile: string, options: { json?: boolean }) => {
      const old = (await loadOrStop(oldFile, protocols)).config
      const now = (await loadOrStop(newFile, protocols)).config
      const rules = compareRules(old, now, protocols)
      const surroundings = compareSurroundings(old, now)
      print(options.json ? JSON.stringify({ rules, surroundings }, null, 2) : inWords(rules, surroundings))
    })
}

function inWords(rules: readonly RuleChange[], surroundings: readonly string[]): string {
  if (rules.length === 0 && surroundings.length === 0) return 'Nobody gains or loses anything.'
  const signs = { gains: '+', loses: '-', changes: '~' }
  const lines = rules.map(
    ({ effect, issuer, group, connection, rule, what }) =>
      `${signs[effect]} ${group} (${issuer}) ${effect} on ${connection}, rule ${rule}: ${what}`,
  )
  return [...lines, ...surroundings.map(text => `~ ${text}`)].map(visible).join('\n')
}
