/** All that the story needs, started side by side: the Okta stand-in, PostgreSQL, the host, then the gateway, the agents. */
import { type Agent, makeAgent } from './agent.ts'
import { type Gateway, startGateway } from './gateway.ts'
import type { Home } from './home.ts'
import { type Host, startHost } from './host.ts'
import { clients, type Issuer, startIssuer } from './issuer/issuer.ts'
import { type Orders, startPostgres } from './postgres.ts'

export interface World {
  readonly home: Home
  readonly issuer: Issuer
  readonly orders: Orders
  readonly host: Host
  readonly gateway: Gateway
  /** A service app: it has no user and no groups claim; the gateway's `client_groups` says sre-agents. */
  readonly sreBot: Agent
  /** Acts for Ada, by the device flow; its token says analyst-agents. */
  readonly analystBot: Agent
  /** Olga, who may read recordings and cut sessions. */
  readonly olga: Agent
}

export async function startWorld(home: Home): Promise<World> {
  const [issuer, orders, host] = await Promise.all([startIssuer(), startPostgres(home), startHost(home)])
  home.onEnd(() => issuer.stop())
  const [gateway, sre, analyst, olga] = await Promise.all([
    startGateway(home, issuer, orders, host),
    issuer.serviceToken(clients.sreBot),
    issuer.userToken(clients.analystBot, 'ada@example.com'),
    issuer.userToken(clients.people, 'olga@example.com'),
  ])
  return {
    home,
    issuer,
    orders,
    host,
    gateway,
    sreBot: await makeAgent(home, gateway, 'sre-bot', sre),
    analystBot: await makeAgent(home, gateway, 'analyst-bot', analyst),
    olga: await makeAgent(home, gateway, 'olga', olga),
  }
}
