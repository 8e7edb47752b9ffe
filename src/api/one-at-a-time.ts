/** One after another for each key: what a later one reads is what the earlier one has left. */
export type InTurn = <T>(key: string, act: () => Promise<T>) => Promise<T>

export function oneAtATime(): InTurn {
  const last = new Map<string, Promise<unknown>>()
  return async (key, act) => {
    const before = last.get(key) ?? Promise.resolve()
    const mine = before.then(act, act)
    last.set(key, mine)
    try {
      return await mine
    } finally {
      if (last.get(key) === mine) last.delete(key)
    }
  }
}
