import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GatewayError } from '../../denial.ts'
import type { Recorder, Seq } from '../../recording/record.ts'
import { streamMessages } from './exec.ts'

/** What an exec, or a port-forward, over channels would have recorded. */
function recorded(ports: boolean) {
  const told: string[] = []
  const stream = {
    input: (bytes: Uint8Array) => void told.push(`in ${Buffer.from(bytes)}`),
    output: (bytes: Uint8Array, from = 'stdout') => void told.push(`${from} ${Buffer.from(bytes)}`),
    resize: () => undefined,
    end: () => undefined,
  }
  const recorder = { stream: () => stream } as unknown as Recorder
  return { told, ...streamMessages({ title: 'sh', tty: false, ports })(recorder, 1 as Seq) }
}

const [continuation, text, binary, ping] = [0, 1, 2, 9] as const

test('a message is recorded by its channel, in however many pieces its one frame comes', () => {
  const { told, fromClient, fromServer } = recorded(false)
  fromClient(Buffer.from('\0ec'), false, binary)
  fromClient(Buffer.from(''), true, ping)
  fromClient(Buffer.from('ho'), true, binary)
  fromClient(Buffer.from('\0 x'), true, text)
  fromServer(Buffer.from('\x01out'), true, binary)
  fromServer(Buffer.from('\x02err'), true, binary)
  assert.deepEqual(told, ['in ec', 'in ho', 'in  x', 'stdout out', 'stderr err'])
})

test('a message in several frames is refused, both ways: input could hide in one', () => {
  for (const ports of [false, true])
    for (const way of ['fromClient', 'fromServer'] as const) {
      const { told, [way]: to } = recorded(ports)
      to(Buffer.from('\x09'), false, binary)
      for (const last of [false, true])
        assert.throws(
          () => to(Buffer.from('\0id'), last, continuation),
          error => error instanceof GatewayError && error.denial.code === 'statement_unparsable',
        )
      assert.ok(!told.join().includes('id'))
    }
})
