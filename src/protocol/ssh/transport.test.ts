import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { message } from '../../statement/sftp/fields.ts'
import { newKey } from './hostkey.ts'
import { pinned, proofOf } from './identity.ts'
import type { Sealer } from './layout.ts'
import { msg, whole } from './messages.ts'
import { choose, offerOf, read, Unsafe } from './negotiation.ts'
import { type Keys, openerOf, plain, sealerOf } from './packets.ts'
import { signerOf } from './signature.ts'
import { Transport } from './transport.ts'

const key = signerOf(newKey()) ?? assert.fail()

interface End {
  readonly transport: Transport
  readonly out: Buffer[]
  readonly heard: Buffer[]
  exchanges: number
}

function end(kind: 'client' | 'server'): End {
  const role =
    kind === 'server'
      ? ({ kind, proof: proofOf(key) } as const)
      : ({ kind, trust: pinned(key.blob) } as const)
  const made: End = {
    out: [],
    heard: [],
    exchanges: 0,
    transport: new Transport(role, {
      write: piece => made.out.push(Buffer.from(piece)),
      message: (_type, payload) => made.heard.push(Buffer.from(payload)),
      offered: () => undefined,
      exchanged: () => made.exchanges++,
    }),
  }
  made.transport.start()
  return made
}

/** Carries what both have written to the other, cut as `sizes` says, until nobody has anything to say. */
function carry(a: End, b: End, sizes: () => number): void {
  while (a.out.length + b.out.length > 0) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      let bytes = Buffer.concat(from.out.splice(0))
      while (bytes.length > 0) {
        const size = Math.max(1, sizes())
        to.transport.feed(bytes.subarray(0, size))
        bytes = bytes.subarray(size)
      }
    }
  }
}

function pair(): { client: End; server: End } {
  const [client, server] = [end('client'), end('server')]
  carry(client, server, () => 65_536)
  assert.ok(client.transport.ready && server.transport.ready)
  return { client, server }
}

test('both sides come to the same session id, byte by byte as well', () => {
  const [client, server] = [end('client'), end('server')]
  carry(client, server, () => 1)
  assert.deepEqual(client.transport.sessionId, server.transport.sessionId)
  assert.equal(client.transport.wantsExtInfo, false)
  assert.equal(server.transport.wantsExtInfo, true)
})

test('what is sent arrives once, whole and in order, however it is cut and whenever keys are changed', () => {
  const step = fc.oneof(
    fc.record({ by: fc.constantFrom('client', 'server'), size: fc.nat(32_000) }),
    fc.record({ by: fc.constantFrom('client', 'server'), rekey: fc.constant(true) }),
    fc.record({ carry: fc.integer({ min: 1, max: 70_000 }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), steps => {
      const ends = pair()
      const sent = { client: [] as Buffer[], server: [] as Buffer[] }
      for (const one of steps) {
        if ('carry' in one) carry(ends.client, ends.server, () => one.carry)
        else if ('rekey' in one) ends[one.by as 'client'].transport.rekey()
        else {
          const data = randomBytes(one.size)
          const head = message(msg.channelData, 7, data.length)
          ends[one.by as 'client'].transport.send([head, data])
          sent[one.by as 'client'].push(Buffer.from(whole([head, data])))
        }
      }
      carry(ends.client, ends.server, () => 1 << 20)
      assert.deepEqual(ends.server.heard, sent.client)
      assert.deepEqual(ends.client.heard, sent.server)
      const id = ends.client.transport.sessionId
      assert.deepEqual(ends.server.transport.sessionId, id)
      assert.equal(ends.client.exchanges, ends.server.exchanges)
    }),
    { numRuns: 40 },
  )
})

test('a packet put in before the first keys ends the connection, on either side (Terrapin, attack 125)', () => {
  for (const [of, by] of [
    ['server', 'client'],
    ['client', 'server'],
  ] as const)
    for (const where of ['before', 'after'] as const)
      for (const type of [msg.ignore, msg.debug, msg.unimplemented, msg.extInfo, msg.channelOpen]) {
        const [victim, peer] = [end(of), end(by)]
        const sly: Uint8Array[] = []
        plain.seal(message(type, ''), 0, piece => sly.push(piece))
        const [line = Buffer.alloc(0)] = peer.out.splice(0, 1)
        victim.transport.feed(line)
        peer.transport.feed(Buffer.concat(victim.out.splice(0)))
        const offer = Buffer.concat(peer.out.splice(0))
        assert.throws(
          () => {
            if (where === 'before') victim.transport.feed(Buffer.concat(sly))
            victim.transport.feed(offer)
            if (where === 'after') victim.transport.feed(Buffer.concat(sly))
          },
          /malformed/,
          `${type} to the ${of} ${where} the other's offer`,
        )
      }
})

test('ChaCha20-Poly1305 is refused in words to a peer that is not strict (attack 125), at first and later', () => {
  const lists = (ciphers: string, kex: string) =>
    message(
      msg.kexInit,
      { raw: randomBytes(16) },
      ...[kex, 'ssh-ed25519', ciphers, ciphers, '', '', 'none', 'none', '', ''],
      false,
      0,
    )
  const chacha = lists('chacha20-poly1305@openssh.com', 'curve25519-sha256')
  const server = end('server')
  server.transport.feed(Buffer.from('SSH-2.0-x\r\n'))
  const sly: Uint8Array[] = []
  for (const payload of [chacha, message(msg.kexInitiate, randomBytes(32))])
    plain.seal(payload, 0, piece => sly.push(piece))
  assert.throws(() => server.transport.feed(Buffer.concat(sly)), Unsafe)
  const sides = [read(chacha), offerOf('server', ['ssh-ed25519'], false, randomBytes(16))] as const
  assert.throws(() => choose(...sides, false), Unsafe)
  assert.equal(choose(...sides, true).ciphers[0], 'chacha20-poly1305@openssh.com')
})

test('in a key exchange nothing else is heard, and no step twice', () => {
  const offer = () => {
    const { client, server } = pair()
    client.transport.rekey()
    server.transport.feed(Buffer.concat(client.out.splice(0)))
    return { client, server }
  }
  for (const sly of [
    message(msg.channelData, 1, 'x'),
    message(msg.serviceRequest, 'ssh-userauth'),
    Buffer.of(msg.newKeys),
    message(msg.kexReply, '', '', ''),
    message(msg.kexInitiate, randomBytes(1216)),
    message(msg.kexInitiate, Buffer.alloc(1216)),
    message(msg.kexInitiate, ''),
    message(40, ''),
  ]) {
    const { client, server } = offer()
    client.transport.sendNow(sly)
    assert.throws(() => server.transport.feed(Buffer.concat(client.out.splice(0))), `type ${sly[0]}`)
  }
  const { client, server } = pair()
  client.transport.sendNow(Buffer.of(msg.newKeys))
  assert.throws(() => server.transport.feed(Buffer.concat(client.out.splice(0))))
})

test('a server with another key is not believed (attack 129)', () => {
  const other = signerOf(newKey()) ?? assert.fail()
  const role = { kind: 'client', trust: pinned(other.blob) } as const
  const client = end('client')
  const out: Buffer[] = []
  const wary = new Transport(role, {
    write: piece => out.push(Buffer.from(piece)),
    message: () => assert.fail(),
    offered: () => undefined,
    exchanged: () => assert.fail(),
  })
  wary.start()
  const server = end('server')
  assert.throws(() => carry({ ...client, transport: wary, out }, server, () => 65_536), /another host/)
})

test('whatever comes instead of SSH throws, and never anything but an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, identified) => {
      const server = end('server')
      try {
        if (identified) server.transport.feed(Buffer.from('SSH-2.0-x\r\n'))
        server.transport.feed(Buffer.from(bytes))
      } catch (error) {
        assert.ok(error instanceof Error)
      }
      assert.equal(server.transport.ready, false)
      assert.equal(server.heard.length, 0)
    }),
  )
})

const kinds = [
  ['aes128-gcm@openssh.com', 16, 12],
  ['aes256-gcm@openssh.com', 32, 12],
  ['aes128-ctr', 16, 16],
  ['aes192-ctr', 24, 16],
  ['aes256-ctr', 32, 16],
  ['chacha20-poly1305@openssh.com', 64, 0],
] as const

function keysFor([cipher, keyBytes, ivBytes]: (typeof kinds)[number], mac: string): Keys {
  const iv = randomBytes(ivBytes)
  // The counter's carry is in it.
  if (ivBytes > 0) iv.fill(0xff, ivBytes - 2)
  const macKey = randomBytes(mac.includes('512') ? 64 : 32)
  return { cipher, mac, key: randomBytes(keyBytes), iv, macKey }
}

function sealed(sealer: Sealer, payload: Uint8Array, sequence: number): Buffer {
  const pieces: Uint8Array[] = []
  sealer.seal(payload, sequence, piece => pieces.push(piece))
  return Buffer.concat(pieces)
}

test('under every cipher a packet opens as it was sealed, and not after any bit of it was altered', () => {
  for (const kind of kinds)
    for (const mac of ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'])
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (payload, at) => {
          const keys = keysFor(kind, mac)
          const [sealer, opener, wary] = [sealerOf(keys), openerOf(keys), openerOf(keys)]
          for (let sequence = 0; sequence < 3; sequence++) {
            const packet = sealed(sealer, payload, sequence)
            assert.equal(opener.measure(packet.readUInt32BE(), sequence), packet.length)
            if (sequence === 0) {
              const altered = Buffer.from(packet)
              const bit = at % (packet.length * 8)
              altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7))
              assert.throws(() => {
                wary.measure(altered.readUInt32BE(), sequence)
                wary.open(altered, sequence)
              })
            }
            assert.deepEqual(opener.open(packet, sequence), Buffer.from(payload))
          }
        }),
        { numRuns: 30 },
      )
})

test('a packet over 35,000 bytes is refused by its length alone, under every cipher and under none', () => {
  const ends = kinds.map(kind => {
    const keys = keysFor(kind, 'hmac-sha2-256-etm@openssh.com')
    return [sealerOf(keys), openerOf(keys)] as const
  })
  for (const [sealer, opener] of [[plain, plain] as const, ...ends]) {
    const lead = (bytes: number) => sealed(sealer, Buffer.alloc(bytes), 0).readUInt32BE()
    assert.ok(opener.measure(lead(34_980), 0) >= 34_980)
    // With its length, its padding's and the least padding there is, 35,001.
    assert.throws(() => opener.measure(lead(34_992), 0), /packet length/)
  }
})
