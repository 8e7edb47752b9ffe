/**
 * A free TCP port on loopback, never the same twice from one process. Drawn from below the range that the system gives to
 * outgoing connections, which would else take it between the look and the use. Another process may still: whoever uses it
 * says so and fails.
 */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

const given = new Set<number>()

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(12_000, 32_000)
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
