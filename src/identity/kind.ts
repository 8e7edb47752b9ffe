/**
 * Person or agent: decided here and nowhere else (DESIGN.md section 1). What only a person may do (approve, cut, lock)
 * hangs on it, so a delegated token, or a client that speaks for itself, is never a person.
 */
import type { Identity } from '../words.ts'

export interface Speaker {
  readonly client: string
  readonly subject: string
  readonly actors: readonly string[]
}

export function kindOf(speaker: Speaker, peoplesClients: readonly string[]): Identity['kind'] {
  const delegated = speaker.actors.length > 0
  const itself = speaker.subject === speaker.client
  return peoplesClients.includes(speaker.client) && !delegated && !itself ? 'person' : 'agent'
}
