/**
 * One write(2) a turn: the records of all requests that came in it are gathered and written, and only then does any of
 * them go on (invariant 7).
 */
import { type Recorder, RecordingLost } from '../../recording/record.ts'

type Go = (lost: RecordingLost | undefined) => void

const turns = new WeakMap<Recorder, Go[]>()

/** `go` is called once, when everything that was recorded until then has been written, or cannot be. */
export function onceWritten(recorder: Recorder, go: Go): void {
  const waiting = turns.get(recorder)
  if (waiting !== undefined) return void waiting.push(go)
  const all = [go]
  turns.set(recorder, all)
  setImmediate(() => {
    turns.delete(recorder)
    const lost = write(recorder)
    for (const one of all) one(lost)
  })
}

function write(recorder: Recorder): RecordingLost | undefined {
  try {
    recorder.flush()
    return undefined
  } catch (error) {
    if (error instanceof RecordingLost) return error
    throw error
  }
}
