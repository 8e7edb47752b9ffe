/** Which turn of the event loop this is: what one connection may take of it is counted by turns. */

let turn = 0
let isCounted = false

export function currentTurn(): number {
  if (!isCounted) {
    isCounted = true
    setImmediate(() => {
      turn++
      isCounted = false
    })
  }
  return turn
}
