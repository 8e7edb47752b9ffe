/**
 * Who exists at the Okta stand-in: users with their groups, and the OAuth clients that act for them or for themselves.
 *
 * Secrets and passwords are made afresh at each start: the demo's host runs commands as whoever started the demo, so
 * no other user of the machine may be able to log in here.
 */
import { randomBytes } from 'node:crypto'

export interface User {
  /** Okta's immutable id, `uid`. */
  readonly id: string
  readonly login: string
  readonly groups: readonly string[]
  readonly password: string
}

export interface App {
  readonly id: string
  readonly secret: string
  /** A service app has a client and no user; a native app acts for whoever approved it on the device page. */
  readonly kind: 'service' | 'native'
}

const secret = (): string => randomBytes(24).toString('base64url')

export interface Directory {
  readonly users: readonly User[]
  readonly apps: readonly App[]
}

export const newDirectory = (): Directory => ({
  users: [
    { id: '00u1ada7qWcN4xY2b5d7', login: 'ada@example.com', groups: ['analyst-agents'], password: secret() },
    {
      id: '00u2olga9RtK8mP1s3f6',
      login: 'olga@example.com',
      groups: ['postern-operators', 'postern-auditors'],
      password: secret(),
    },
  ],
  apps: [
    { id: '0oaSreBot4hT6vB8n1x', secret: secret(), kind: 'service' },
    { id: '0oaAnalystBot2kL9c3z', secret: secret(), kind: 'native' },
    { id: '0oaPosternCli5dF7g1w', secret: secret(), kind: 'native' },
  ],
})

/** The names that the story uses for the three clients. */
export const clients = {
  sreBot: '0oaSreBot4hT6vB8n1x',
  analystBot: '0oaAnalystBot2kL9c3z',
  people: '0oaPosternCli5dF7g1w',
} as const
