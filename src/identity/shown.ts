/** How something a stranger wrote is shown to an operator: quoted, escaped, cut. Never a whole token (invariant 5). */
const most = 120

export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text
}
