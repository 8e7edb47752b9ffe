/**
 * One write(2) a turn: the records of all requests that came in it are gathered and written, and only then does any of
 * them go on (invariant 7).
 */
import type { Recorder } from '../../recording/record.ts'

/** `error` is a RecordingLost, or a defect: either is that of each who waits, and not of the turn that nobody watches. */
type Go = (error: unknown) => void

const turns = new WeakMap<Recorder, Go[]>()

/** `go` is called once, when everything that was recorded until then has been written, or cannot be. */
export function onceWritten(recorder: Recorder, go: Go): void {
  const waiting = turns.get(recorder)
  if (waiting !== undefined) return void waiting.push(go)
  const all = [go]
  turns.set(recorder, all)
  setImmediate(() => {
    turns.delete(recorder)
    const error = write(recorder)
    for (const one of all) one(error)
  })
}

function write(recorder: Recorder): unknown {
  try {
    recorder.flush()
    return undefined
  } catch (error) {
    return error
  }
}
