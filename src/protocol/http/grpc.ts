/**
 * gRPC's messages in an answer (gRPC over HTTP/2, "Length-Prefixed-Message"): a filter sees one message at a time, so that
 * nothing of one is held until the next comes, which in a conversation it may never. A packed message is refused: nobody
 * asked for one, and the lease's value could be in it unseen (attack 145).
 */
import { GatewayError, refuse } from '../../denial.ts'
import type { Filter } from './scrub.ts'

export const isGrpc = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/grpc(?:\+|;|$)/i.test(contentType)

const headLength = 5

export function perMessage(filter: Filter): Filter {
  const head = Buffer.alloc(headLength)
  let have = 0
  let left = 0
  return {
    push(chunk) {
      const out: Buffer[] = []
      for (let at = 0; at < chunk.length; ) {
        if (left > 0) {
          const end = Math.min(chunk.length, at + left)
          out.push(filter.push(chunk.subarray(at, end)))
          left -= end - at
          at = end
          if (left === 0) out.push(filter.end())
          continue
        }
        const more = Math.min(headLength - have, chunk.length - at)
        chunk.copy(head, have, at, at + more)
        have += more
        at += more
        if (have < headLength) break
        if (head[0] !== 0) throw new GatewayError(packed.denial, undefined)
        out.push(Buffer.from(head))
        left = head.readUInt32BE(1)
        have = 0
      }
      return out.length === 1 && out[0] !== undefined ? out[0] : Buffer.concat(out)
    },
    end: () => Buffer.concat([head.subarray(0, have), filter.end()]),
  }
}

const say = 'the target packed a message though nobody asked for it, so it cannot be looked through'
const packed = refuse('upstream_refused', say, { say })
