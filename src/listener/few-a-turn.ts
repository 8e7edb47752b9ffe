/**
 * Of one HTTP/2 connection a few requests are begun in a turn of the loop, and the rest in the turns after it. One read may hold
 * all that a connection may have open, and a thousand connections would hold up everybody's cut for seconds (attack 200).
 */
const atOnce = 8

interface Turn {
  left: number
  readonly waiting: (() => void)[]
}

export class FewATurn {
  readonly #turns = new WeakMap<object, Turn>()

  begin(of: object, begin: () => void): void {
    const turn = this.#turnOf(of)
    if (turn.left === 0) return void turn.waiting.push(begin)
    if (turn.left === atOnce) setImmediate(() => again(turn))
    turn.left--
    begin()
  }

  #turnOf(of: object): Turn {
    const known = this.#turns.get(of)
    if (known !== undefined) return known
    const turn: Turn = { left: atOnce, waiting: [] }
    this.#turns.set(of, turn)
    return turn
  }
}

function again(turn: Turn): void {
  const next = turn.waiting.splice(0, atOnce)
  turn.left = atOnce - next.length
  if (next.length > 0) setImmediate(() => again(turn))
  for (const begin of next) begin()
}
