import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { Channel, ChannelClosed, type Handlers, type Peer } from './channel.ts'

type Words = { say(text: string): void; ask(text: string): string; wait(): void }

/** Two ends, messages copied as between processes, one turn on the way. */
function pair(hears: Handlers<Words>, failed: (what: string) => void = () => undefined) {
  const [a, b] = [new EventEmitter(), new EventEmitter()]
  const end = (own: EventEmitter, other: EventEmitter) =>
    Object.assign(own, {
      send(message: unknown, _socket: unknown, sent: (error: Error | null) => void) {
        const copy = structuredClone(message)
        setImmediate(() => other.emit('message', copy))
        sent(null)
      },
    }) as Peer
  new Channel<Words, Words>(end(b, a), hears, failed)
  const nothing = { say: () => undefined, ask: () => '', wait: () => undefined }
  return new Channel<Words, Words>(end(a, b), nothing, failed)
}

const never = new Promise<void>(() => undefined)
const plain: Handlers<Words> = { say: () => undefined, ask: text => `${text}!`, wait: () => never }

test('calls are answered, and what is said first is heard first', async () => {
  const heard: string[] = []
  const near = pair({
    ...plain,
    say: text => void heard.push(text),
    ask: async text => heard.join('') + text,
  })
  near.tell('say', 'a')
  near.tell('say', 'b')
  assert.equal(await near.call('ask', 'c'), 'abc')
})

test('what fails at the other end fails here, and a remark that fails is told to whoever looks after it', async () => {
  const failed = new EventEmitter()
  const fail = (): never => {
    throw new Error('no such thing')
  }
  const near = pair({ ...plain, say: fail, ask: fail }, what => failed.emit('failed', what))
  await assert.rejects(near.call('ask', ''), /no such thing/)
  const told = once(failed, 'failed')
  near.tell('say', '')
  assert.deepEqual(await told, ['say'])
})

test('who waits when the other end goes is told so, and so is who comes later', async () => {
  const near = pair(plain)
  const waiting = near.call('wait', undefined)
  near.close('gone')
  await assert.rejects(waiting, ChannelClosed)
  await assert.rejects(near.call('ask', 'x'), ChannelClosed)
  near.tell('say', 'to nobody')
})

test('neither too much at once nor too many at once', async () => {
  const near = pair(plain)
  await assert.rejects(near.call('ask', 'x'.repeat(2 ** 20)), /more than is said/)
  assert.throws(() => near.tell('say', 'x'.repeat(2 ** 20)), /more than is said/)
  const open = Array.from({ length: 20_000 }, () => near.call('wait', undefined))
  await assert.rejects(near.call('ask', 'x'), /too much is asked/)
  near.close('over')
  await Promise.allSettled(open)
})
