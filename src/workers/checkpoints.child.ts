/** A worker that only says how far a recording stands: for `checkpoints.test.ts`, which stops it. */
import { Channel, type Handlers } from './channel.ts'
import type { FromWorker, ToWorker } from './messages.ts'

let seq = 0
const hears = { checkpoint: () => ({ seq: ++seq, hash: '' }) }
new Channel<FromWorker, ToWorker>(process, hears as unknown as Handlers<ToWorker>, console.error)
