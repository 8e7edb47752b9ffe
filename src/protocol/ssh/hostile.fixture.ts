/** A host of the enemy's in place of the world's: it takes any lease, and then does as the test says. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { message } from '../../statement/sftp/fields.ts'
import { newKey } from './hostkey.ts'
import { proofOf } from './identity.ts'
import { msg } from './messages.ts'
import { signerOf } from './signature.ts'
import { Wire, type WireOptions } from './wire.ts'
import type { World } from './world.fixture.ts'

export type Meet = (wire: Wire, type: number, payload: Buffer) => void

/** Answers with what closes it. */
export async function hostileHost(
  { target }: Pick<World, 'target'>,
  meet: Meet,
  rekey: WireOptions['rekey'] = {},
): Promise<() => void> {
  const key = signerOf(newKey())
  if (key === undefined) throw new Error('no key')
  const server = createServer(socket => {
    const wire: Wire = new Wire(socket, {
      role: { kind: 'server', proof: proofOf(key) },
      rekey,
      onReady: () => undefined,
      onMessage: (type, payload) => {
        if (type === msg.serviceRequest) wire.send(message(msg.serviceAccept, 'ssh-userauth'))
        else if (type === msg.userauthRequest) wire.send(message(msg.userauthSuccess))
        else meet(wire, type, Buffer.from(payload))
      },
      onTurn: () => undefined,
      onDrain: () => undefined,
      onEnd: () => undefined,
    })
    wire.admit()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  Object.assign(target, { port, host_key: `ssh-ed25519 ${key.blob.toString('base64')}`, guardian: false })
  return () => void server.close()
}
