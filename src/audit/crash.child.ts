/** Run by crash.test.ts until it is killed: decides, records, seals, and says on stdout what has been acknowledged. */

import { writeSync } from 'node:fs'
import { argv } from 'node:process'
import { recoverRecordings } from '../recording/recover.ts'
import { allowed, byClient, openWorld, silent } from './audit.fixture.ts'

const [data = '', round = ''] = argv.slice(2)
const clock = { now: () => Date.now(), mono: () => performance.now() }
const { audit, key, record } = await openWorld(data, { clock, every: 20, rotateAt: 20_000 })
await recoverRecordings({ data, key, now: Date.now(), heads: audit, log: silent })
const say = (text: string) => writeSync(1, `${text}\n`)

async function decide(): Promise<never> {
  for (let n = 0; ; n++) {
    const grant = `g_${round}x${n}`
    await audit.decided({ type: 'grant.issued', grant })
    say(grant)
  }
}

async function session(worker: number): Promise<never> {
  for (let n = 0; ; n++) {
    const id = `s_${round}x${worker}x${n}`
    const recorder = await record(id)
    const of = recorder.statement(allowed('shell'))
    const shell = recorder.stream(of, { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title: id })
    for (let turn = 0; turn < 20; turn++) {
      const text = `select ${id}/${turn}`
      recorder.statement(allowed(text))
      shell.output(Buffer.from(`out ${id}/${turn} ü漢\r\n`))
      recorder.flush()
      // Only what was written is relayed.
      say(text)
      await new Promise(resolve => setImmediate(resolve))
    }
    if (n % 3 !== 0) await recorder.close(byClient)
  }
}

say('ready')
await Promise.all([decide(), session(1), session(2)])
