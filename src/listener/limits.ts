/**
 * Counting what a key (an owner, a source address) may do: a token bucket each, in a map that cannot grow without bound.
 *
 * Pure: `now` is handed in, from the monotonic clock. Where the map is full the key used longest ago makes way, and then
 * begins anew with a full bucket: an attacker with a million addresses gets no more than a million first tries, and no
 * memory (attacks 46 and 199). It limits the one who tries, never the one who is tried: a lock-out is no weapon.
 */

export interface Rate {
  /** Taken at once from a full bucket. */
  readonly burst: number
  /** Given back each second. */
  readonly perSecond: number
}

interface Bucket {
  left: number
  at: number
}

export class RateLimiter {
  readonly #rate: Rate
  readonly #most: number
  /** In the order of last use: a Map keeps the order of insertion. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate, most = 10_000) {
    this.#rate = rate
    this.#most = most
  }

  /** Takes `cost` if there is as much, and says whether there was. */
  take(key: string, now: number, cost = 1): boolean {
    const bucket = this.#filled(key, now)
    this.#keep(key, bucket)
    if (bucket.left < cost) return false
    bucket.left -= cost
    return true
  }

  /** Whether `take` would say yes; takes nothing. For what is charged only when it fails, as logins are. */
  has(key: string, now: number, cost = 1): boolean {
    return this.#filled(key, now).left >= cost
  }

  /** Milliseconds until there is as much: `Retry-After`. Infinity where there never will be. */
  wait(key: string, now: number, cost = 1): number {
    const lacking = cost - this.#filled(key, now).left
    if (lacking <= 0) return 0
    return cost > this.#rate.burst ? Number.POSITIVE_INFINITY : (lacking / this.#rate.perSecond) * 1000
  }

  get size(): number {
    return this.#buckets.size
  }

  #filled(key: string, now: number): Bucket {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return { left: this.#rate.burst, at: now }
    const gained = (Math.max(0, now - bucket.at) / 1000) * this.#rate.perSecond
    return { left: Math.min(this.#rate.burst, bucket.left + gained), at: Math.max(now, bucket.at) }
  }

  #keep(key: string, bucket: Bucket): void {
    this.#buckets.delete(key)
    if (this.#buckets.size >= this.#most) {
      const [oldest] = this.#buckets.keys()
      if (oldest !== undefined) this.#buckets.delete(oldest)
    }
    this.#buckets.set(key, bucket)
  }
}
