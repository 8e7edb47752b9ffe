/** A strict reader of asciicast v2, by its specification: what no player could trip over. */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'

export interface PlayedEvent {
  readonly time: number
  readonly code: string
  readonly data: string
}

export function parseCast(bytes: Uint8Array): { header: Record<string, unknown>; events: PlayedEvent[] } {
  assert.ok(isUtf8(bytes), 'UTF-8')
  const text = Buffer.from(bytes).toString('utf8')
  assert.ok(text.endsWith('\n'), 'ends with a newline')
  const [first = '', ...rest] = text.slice(0, -1).split('\n')
  const header = JSON.parse(first) as Record<string, unknown>
  assert.equal(header['version'], 2)
  for (const member of ['width', 'height', 'timestamp']) assert.ok(Number.isInteger(header[member]), member)
  let last = 0
  const events = rest.map(line => {
    const event = JSON.parse(line) as [number, string, string]
    assert.equal(event.length, 3)
    const [time, code, data] = event
    assert.ok(typeof time === 'number' && time >= last, 'time goes on')
    assert.match(code, /^[oirx]$/)
    assert.equal(typeof data, 'string')
    if (code === 'r') assert.match(data, /^\d+x\d+$/)
    if (code === 'x') assert.match(data, /^\d+$/)
    last = time
    return { time, code, data }
  })
  return { header, events }
}
