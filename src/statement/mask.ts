/** What a mask lets through of a value, the same in every protocol that masks. Pure. */

export type MaskWith = 'full' | 'partial' | 'hash' | 'blank'

/** The less of a value a mask lets through, the stronger it is. */
const strength: Readonly<Record<MaskWith, number>> = { partial: 1, hash: 2, blank: 3, full: 4 }

export const stronger = (one: MaskWith, other: MaskWith): MaskWith =>
  strength[one] > strength[other] ? one : other

/** `ann@example.com` shows as `a***@example.com`, all else as its first character: `A***`. One character shows nothing. */
export function partial(text: string): string {
  const [first = ''] = text
  const at = text.lastIndexOf('@')
  if (at > 0) return `${at > first.length ? first : ''}***${text.slice(at)}`
  return text.length > first.length ? `${first}***` : '***'
}
