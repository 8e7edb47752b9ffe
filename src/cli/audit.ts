/** `postern audit verify`: with the public key alone, offline, was anything altered? `postern audit tail`: what is being decided. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import type { Cursor } from '../audit/event.ts'
import { readPage } from '../audit/read.ts'
import type { Report } from '../ledger/report.ts'
import { json } from '../ledger/text.ts'
import { verifyData } from '../ledger/verify.ts'
import type { Line } from '../ledger/walk.ts'
import { exit } from './exit.ts'
import { print, visible } from './print.ts'
import { Stop } from './stop.ts'

export function auditCommand(): Command {
  return new Command('audit')
    .description('what was decided, and whether that is what still stands there')
    .addCommand(verify())
    .addCommand(tail())
}

function verify(): Command {
  return new Command('verify')
    .description(
      'verify audit and recordings offline; exit code 1 if anything was changed, dropped, added or reordered',
    )
    .requiredOption('--data <folder>', 'the data folder, or a copy of it')
    .requiredOption('--key <file>', 'the public key: data/keys/audit.pub.pem, kept elsewhere')
    .option('--head <file>', 'a head.json that was kept elsewhere: shows a roll-back of the whole folder')
    .option('--json', 'print JSON')
    .action(async (options: { data: string; key: string; head?: string; json?: boolean }) => {
      const report = await verifyData({
        data: options.data,
        key: publicKey(options.key),
        ...(options.head === undefined ? {} : { head: readOrStop(options.head) }),
      })
      const text = reportText(report)
      if (!report.intact) throw new Stop(exit.no, text, report)
      print(options.json === true ? json(report) : text)
    })
}

function publicKey(file: string): KeyObject {
  const text = readOrStop(file)
  try {
    const key = createPublicKey(text)
    // `createPublicKey` takes a private key too. Whoever verifies should not need to hold one.
    if (key.asymmetricKeyType === 'ed25519' && !text.includes('PRIVATE')) return key
  } catch {
    throw new Stop(exit.usage, `${visible(file)} is not a public key`)
  }
  throw new Stop(exit.usage, `${visible(file)} is not an Ed25519 public key`)
}

function readOrStop(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Stop(exit.usage, `${visible(file)} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function reportText(report: Report): string {
  const what = `${report.events} events, ${report.recordings} recordings${report.open === 0 ? '' : ` (${report.open} open)`}`
  const lines = report.faults.map(({ where, what }) => `BROKEN ${where}: ${what}`)
  for (const { file, line, time, tornBytes, unsealedFrom } of report.recoveries) {
    lines.push(
      `recovered ${file}:${line} at ${time}: ${tornBytes} bytes torn, not sealed from seq ${unsealedFrom} on`,
    )
  }
  for (const { where, what } of report.notes) lines.push(`note ${where}: ${what}`)
  const sum = report.intact ? `${what}: intact` : `${what}: ${report.faults.length} broken`
  return [...lines, sum].map(visible).join('\n')
}

function tail(): Command {
  return new Command('tail')
    .description('the last events, and then each one as it comes')
    .option('--data <folder>', 'the data folder', './data')
    .option('-n, --lines <count>', 'how many of the last events first', '10')
    .option('--once', 'do not wait for more')
    .option('--json', 'print the lines as they stand in the file')
    .action(async (options: { data: string; lines: string; once?: boolean; json?: boolean }) => {
      const limit = Number(options.lines)
      if (!Number.isInteger(limit) || limit < 0) throw new Stop(exit.usage, '--lines takes a number')
      const show = (line: Line) => print(options.json === true ? json(line) : eventText(line))
      let after: Cursor
      try {
        // The newest line of any kind is where to go on from.
        const newest = await readPage(options.data, { limit: Math.max(1, limit) })
        for (const line of [...newest.events].reverse().slice(newest.events.length - limit)) show(line)
        after = { file: newest.file ?? 'audit/gw-1.jsonl', seq: newest.events[0]?.seq ?? 0 }
      } catch (error) {
        throw new Stop(
          exit.unavailable,
          `no audit in ${visible(options.data)}: ${(error as NodeJS.ErrnoException).code}`,
        )
      }
      while (options.once !== true) {
        const page = await readPage(options.data, { after, limit: 1000 })
        for (const line of page.events) show(line)
        after = { file: page.file ?? after.file, seq: page.events.at(-1)?.seq ?? after.seq }
        if (page.next === undefined) await sleep(500)
      }
    })
}

function eventText(line: Line): string {
  const identity = line['identity'] as { subject?: string; client?: string } | undefined
  const { call, decision } = (line['facts'] ?? {}) as { call?: unknown; decision?: unknown }
  const parts = [
    line.time,
    line.type,
    // What a person called, and what one decided.
    ...[call, decision].filter(fact => typeof fact === 'string'),
    line['reason'],
    identity?.subject ?? identity?.client,
    line['connection'],
    line['grant'],
    line['session'],
    line['detail'],
  ]
  return visible(parts.filter(part => part !== undefined).join(' '))
}
