/** What a mask lets through of a value, the same in every protocol that masks. Pure. */

export type MaskWith = 'full' | 'partial' | 'hash' | 'blank'

/** The less of a value a mask lets through, the stronger it is. A part of it and what it is equal to are different things. */
const strength: Readonly<Record<MaskWith, number>> = { partial: 1, hash: 1, blank: 2, full: 3 }

/** Of two that hold both. What each hides and the other shows is hidden: of `partial` and `hash` nothing is left to be shown. */
export function stronger(one: MaskWith, other: MaskWith): MaskWith {
  if (one === other) return one
  if (strength[one] === strength[other]) return 'full'
  return strength[one] > strength[other] ? one : other
}

/** `ann@example.com` shows as `a***@example.com`, all else as its first character: `A***`. One character shows nothing. */
export function partial(text: string): string {
  const [first = ''] = text
  const at = text.lastIndexOf('@')
  if (at > 0) return `${at > first.length ? first : ''}***${text.slice(at)}`
  return text.length > first.length ? `${first}***` : '***'
}
