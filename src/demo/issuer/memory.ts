/**
 * Where the Okta stand-in keeps what it hands out: in this process, bounded, gone at the end.
 *
 * `oidc-provider` has such a store of its own and warns whenever it is used; this one is here to keep the demo's
 * output to the demo.
 */
import type { Adapter, AdapterPayload } from 'oidc-provider'

const most = 10_000
const entries = new Map<string, AdapterPayload>()

export class Memory implements Adapter {
  readonly kind: string
  constructor(kind: string) {
    this.kind = kind
  }

  async upsert(id: string, payload: AdapterPayload): Promise<void> {
    if (entries.size >= most)
      for (const oldest of [...entries.keys()].slice(0, most / 10)) entries.delete(oldest)
    entries.set(this.key(id), payload)
  }
  async find(id: string): Promise<AdapterPayload | undefined> {
    return entries.get(this.key(id))
  }
  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.where(payload => payload.uid === uid)
  }
  async findByUserCode(code: string): Promise<AdapterPayload | undefined> {
    return this.where(payload => payload.userCode === code)
  }
  async consume(id: string): Promise<void> {
    const payload = entries.get(this.key(id))
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000)
  }
  async destroy(id: string): Promise<void> {
    entries.delete(this.key(id))
  }
  async revokeByGrantId(grant: string): Promise<void> {
    for (const [key, payload] of entries) if (payload.grantId === grant) entries.delete(key)
  }

  private key(id: string): string {
    return `${this.kind}:${id}`
  }
  private where(fits: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [key, payload] of entries) if (key.startsWith(`${this.kind}:`) && fits(payload)) return payload
    return undefined
  }
}
