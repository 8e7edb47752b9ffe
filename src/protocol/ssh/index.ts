/**
 * SSH: one connection of a client is one session of a grant, with as many channels as it opens. The transport is
 * our own (docs/adr/0010-our-own-ssh-transport.md), on Node's cryptography; `ssh2` reads key files.
 */
import type { Client, Door, DoorKeys, Protocol } from '../protocol.ts'
import { takeOver } from '../reads.ts'
import { exec } from './calls.ts'
import { dial, lease, type SshLease, type SshTarget, target } from './dial.ts'
import { Greeting } from './greet.ts'
import { proofOf } from './identity.ts'
import { disconnectReason } from './messages.ts'
import { client, present } from './present.ts'
import { publicKey } from './publickey.ts'
import { Relay } from './relay.ts'
import { type SshLimit, type SshScope, sshScope } from './scope.ts'
import { type Signer, signerOf } from './signature.ts'
import type { SshUpstream } from './upstream.ts'
import { readBuffer, Wire } from './wire.ts'

/** From the first byte to a login (attack 190). The timer closes the socket and does nothing else (CVE-2024-6387). */
const graceMillis = 30_000

export const ssh: Protocol<SshTarget, SshLease, SshScope, SshLimit, SshUpstream> = {
  name: 'ssh',
  target,
  lease,
  scope: sshScope,
  verifier: 'sha-256',
  serve,
  dial,
  calls: { exec },
  present,
  client,
  publicKey,
}

function serve(at: Client, door: Door<SshScope, SshUpstream>): Promise<void> {
  if (at.kind !== 'stream') {
    at.socket.destroy()
    return Promise.resolve()
  }
  const { keys, source } = at
  const { socket, readBy } = takeOver(at.socket, readBuffer)
  return new Promise((resolve, reject) => {
    let relay: Relay | undefined
    const grace = setTimeout(() => socket.destroy(), graceMillis)
    const drain = () => wire.disconnect(disconnectReason.byApplication, 'the gateway is shutting down')
    const greeted = () => {
      clearTimeout(grace)
      door.signal.removeEventListener('abort', drain)
    }
    const wire: Wire = new Wire(socket, {
      role: { kind: 'server', proof: proofFor(keys) },
      onReady: () => greeting.ready(),
      onMessage: (type, payload) =>
        relay === undefined ? greeting.onMessage(type, payload) : relay.onNear(type, payload),
      onTurn: () => relay?.onTurn(),
      onDrain: () => relay?.onDrain(),
      onEnd: error => {
        greeted()
        if (relay !== undefined) relay.onNearEnd(error)
        else if (!greeting.busy) resolve()
      },
    })
    readBy({ take: chunk => wire.take(chunk) })
    const greeting = new Greeting(
      { wire, door, source, authority: keys.ssh?.authority, now: Date.now, failed: reject },
      session => {
        greeted()
        if (session === undefined) {
          resolve()
          return
        }
        relay = new Relay(session, wire)
        relay.over.then(resolve, reject)
        if (wire.ended) relay.onNearEnd()
      },
    )
    door.signal.addEventListener('abort', drain, { once: true })
    if (door.signal.aborted) drain()
  })
}

/** Every client of a door is shown the same key, so it is read once. */
const signers = new Map<string, Signer>()

function proofFor({ hostKey, ssh: own }: DoorKeys) {
  const key = signers.get(hostKey) ?? signerOf(hostKey)
  if (key === undefined) throw new Error('the SSH host key cannot be read')
  signers.set(hostKey, key)
  return proofOf(key, own === undefined ? undefined : Buffer.from(own.certificate()))
}
