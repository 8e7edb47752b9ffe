/** `listen`, `advertise`, `public_url` held against each other and against `people`. */
import { formatHostPort, hostOf, isEverywhere, isLoopback } from './address.ts'
import type { Config, HostPort, Listen } from './config.ts'
import { judge, type Report } from './judge.ts'
import type { ConfigProtocols, Sections } from './schema.ts'

type Whereabouts = Pick<Config, 'listen' | 'advertise' | 'publicUrl'>

export function parseListen(
  raw: Record<string, unknown>,
  sections: Sections,
  protocols: ConfigProtocols,
  report: Report,
): Whereabouts | undefined {
  const parsed = judge(sections.listen, raw['listen'], ['listen'], report)
  const stated = judge(sections.public_url, raw['public_url'], ['public_url'], report)
  const advertised = judge(sections.advertise, raw['advertise'], ['advertise'], report)
  if (parsed === undefined) return undefined
  const { http, people, tls, insecure } = parsed
  const streams = new Map<string, HostPort>()
  for (const [name, { requests }] of protocols) {
    if (requests === true) continue
    const at = (parsed as Record<string, unknown>)[name] as HostPort | undefined
    if (at !== undefined) streams.set(name, at)
  }
  const listen: Listen = { ...(http && { http }), ...(people && { people }), streams, tls, insecure }
  checkListeners(listen, raw, report)
  const publicUrl = stated ?? defaultUrl(listen, report)
  if (publicUrl === undefined) return undefined
  if (publicUrl.protocol === 'http:' && !isLoopback(hostOf(publicUrl)) && !insecure) {
    report(['public_url'], 'must be https:// off loopback, or tokens would cross the network in clear')
  }
  return { listen, publicUrl, advertise: advertise(advertised, listen, publicUrl, report) }
}

function checkListeners(listen: Listen, raw: Record<string, unknown>, report: Report): void {
  const all: [string, HostPort][] = [...listen.streams]
  if (listen.people !== undefined) all.unshift(['people', listen.people])
  if (listen.http !== undefined) all.unshift(['http', listen.http])
  if (all.length === 0) report(['listen'], 'nothing is listed, so nothing would be opened')
  const seen = new Map<string, string>()
  for (const [name, at] of all) {
    const address = formatHostPort(at)
    const other = seen.get(address)
    if (other !== undefined)
      report(
        ['listen', name],
        `is the address of listen.${other} too${name === 'people' ? '; leave it out to share that one' : ''}`,
      )
    seen.set(address, name)
  }
  // Attack 207: off loopback the agents' plane and the people's plane never share a port.
  if (
    raw['people'] !== undefined &&
    listen.people === undefined &&
    listen.http !== undefined &&
    !isLoopback(listen.http.host)
  ) {
    report(['listen', 'people'], "missing: off loopback people's calls need a listener of their own")
  }
}

function defaultUrl({ http, insecure }: Listen, report: Report): URL | undefined {
  if (http === undefined || isEverywhere(http.host)) {
    report(
      ['public_url'],
      http === undefined
        ? 'missing: there is no listen.http to take it from'
        : `missing: ${http.host} is no address to be told`,
    )
    return undefined
  }
  return new URL(`${isLoopback(http.host) || insecure ? 'http' : 'https'}://${formatHostPort(http)}`)
}

function advertise(
  said: string | Record<string, HostPort | undefined> | undefined,
  { streams }: Listen,
  publicUrl: URL,
  report: Report,
): ReadonlyMap<string, HostPort> {
  const map = typeof said === 'object' ? said : {}
  for (const name of Object.keys(map)) {
    if (!streams.has(name)) report(['advertise', name], `nothing listens for ${name}`, 'key')
  }
  const told = [...streams].map(([name, at]): [string, HostPort] => {
    // 0.0.0.0 is nowhere to connect to: the gateway's public name is.
    const host = typeof said === 'string' ? said : isEverywhere(at.host) ? hostOf(publicUrl) : at.host
    return [name, map[name] ?? { host, port: at.port }]
  })
  return new Map(told)
}
