/** `postern replay SESSION`: plays a recording in the terminal: its terminals as they looked, everything else as lines. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { readCast, readRecords, recordingFiles } from '../recording/read.ts'
import { replayReset, replaySafe, replayStart } from '../recording/replay.ts'
import { exit } from './exit.ts'
import { print, visible } from './print.ts'
import { recordText } from './recorded.ts'
import { Stop } from './stop.ts'

interface Options {
  readonly data: string
  readonly speed?: string
  readonly idle: string
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('play a recording in the terminal')
    .argument('<session>')
    .option('--data <folder>', 'the data folder', './data')
    .option(
      '--speed <factor>',
      'how many times as fast; 0 for at once (default: 1, at once where stdout is no terminal)',
    )
    .option('--idle <seconds>', 'the longest pause', '2')
    .action(async (session: string, options: Options) => {
      const speed = positive(options.speed ?? (process.stdout.isTTY ? '1' : '0'), '--speed')
      const idle = positive(options.idle, '--idle')
      if ((await recordingFiles(options.data, session)) === undefined) {
        throw new Stop(exit.no, `no recording ${visible(session)} in ${visible(options.data)}`)
      }
      const played = new Set<string>()
      for await (const line of readRecords(options.data, session)) {
        const { cast } = line as { cast?: unknown }
        if (line.type === 'output' && typeof cast === 'string') {
          if (!played.has(cast)) await play(options.data, session, cast, speed, idle)
          played.add(cast)
        } else if (line.type !== 'seal') print(recordText(line))
      }
    })
}

function positive(text: string, name: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Stop(exit.usage, `${name} takes a number, 0 or above`)
  return value
}

async function play(data: string, session: string, cast: string, speed: number, idle: number): Promise<void> {
  let state = replayStart
  let last = 0
  // Ctrl-C in the middle must not leave the reader's terminal as the recording had it.
  const stop = new AbortController()
  const interrupt = () => stop.abort()
  process.once('SIGINT', interrupt)
  try {
    for await (const event of readCast(data, session, cast)) {
      if (stop.signal.aborted) break
      if (event.code !== 'o') continue
      const pause = Math.min(Math.max(0, event.time - last), idle)
      last = event.time
      if (speed > 0 && pause > 0) await pauseFor((pause * 1000) / speed, stop.signal)
      const safe = replaySafe(state, event.data)
      state = safe.state
      process.stdout.write(process.stdout.isTTY ? safe.text : textAlone(safe.text))
    }
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.stdout.write(process.stdout.isTTY ? `${replayReset}\n` : '\n')
  }
  if (stop.signal.aborted) throw new Stop(exit.no, 'interrupted')
}

async function pauseFor(millis: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(millis, undefined, { signal })
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error
  }
}

/** For a pipe or a file: neither colours nor movements. What draws comes in whole sequences (recording/replay.ts). */
function textAlone(safe: string): string {
  return safe.replace(/\u001b(?:\[[0-9;:?]*[@-~]|\(.|.)/g, '')
}
