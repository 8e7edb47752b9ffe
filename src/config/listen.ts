/** `listen`, `advertise`, `public_url`: where the gateway is, and where it says it is. */
import { z } from 'zod'
import { hostOf, hostPort, isLoopback, parseHost } from './address.ts'
import { filePath, secretRef } from './reference.ts'

const tlsForm =
  'must be auto or { cert: file:..., key: file:... }; where TLS ends in front of the gateway, set listen.insecure: true'

/** Stream listeners are named as their protocols. Only what is listed is opened. */
export function listenSchema(protocols: Iterable<string>) {
  const streams = Object.fromEntries([...protocols].map(name => [name, hostPort.optional()]))
  return z.strictObject({
    ...streams,
    http: hostPort
      .optional()
      .meta({ description: 'Agents: the API, and the doors of APIs and clusters at /c/<connection>/.' }),
    people: hostPort.optional().meta({ description: "People's calls. Default: the http listener." }),
    tls: z
      .union([z.literal('auto'), z.strictObject({ cert: filePath, key: secretRef })], { error: tlsForm })
      .default('auto')
      .meta({ description: 'auto makes a CA and a certificate in data/keys.' }),
    insecure: z
      .boolean()
      .default(false)
      .meta({ description: 'TLS ends in front of the gateway: plaintext is taken off loopback too.' }),
  })
}

export function advertiseSchema(protocols: Iterable<string>) {
  const each = z.strictObject(Object.fromEntries([...protocols].map(name => [name, hostPort.optional()])))
  return z.union([host, each], { error: hostForm }).meta({
    description:
      "What agents are told to connect to: host:port by protocol, or one host with the listeners' ports.",
  })
}

const hostForm = 'must be a host without a port, or a map such as { postgres: db.example.com:5432 }'

const host = z.string({ error: hostForm }).transform((text, at): string => {
  const parsed = parseHost(text, 'bare')
  if (parsed !== undefined) return parsed
  at.addIssue({ code: 'custom', message: hostForm, input: undefined })
  return z.NEVER
})

const urlForm = 'must be an origin such as https://postern.example.com, without path, query or credentials'

export const publicUrl = z
  .string({ error: urlForm })
  .transform((text, at): URL => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const isOrigin = url !== undefined && (text === url.origin || text === `${url.origin}/`)
    if (isOrigin && (url.protocol === 'https:' || url.protocol === 'http:')) return url
    at.addIssue({ code: 'custom', message: urlForm, input: undefined })
    return z.NEVER
  })
  .meta({ description: "Where agents find the gateway. Default: listen.http's address." })

/** A URL whose answers decide whom we trust: plain http for loopback alone. */
export function isTrustworthy(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(hostOf(url)))
}
