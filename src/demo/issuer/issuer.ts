/**
 * An Okta stand-in for the demo: a real OAuth server on loopback that issues what Okta would.
 *
 * Tokens are obtained as agents obtain them, by HTTP calls to the token endpoint: {@link Issuer.serviceToken} is the
 * client credentials grant of a service app, {@link Issuer.userToken} the device flow of an app that acts for a user.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { clients, type Directory, newDirectory, type User } from './directory.ts'
import { signIn } from './login.ts'
import { approveDevice } from './person.ts'

export interface Issuer {
  readonly issuer: string
  readonly audience: string
  /** The secrets of its clients and the passwords of its users: nothing of Postern's may ever hold one. */
  readonly secrets: readonly string[]
  serviceToken(client: string): Promise<string>
  userToken(client: string, login: string): Promise<string>
  /** The user says yes to what a device shows, at a browser. */
  approve(login: string, verificationUri: string, userCode: string): Promise<void>
  /** For a client that asks by itself. */
  secretOf(client: string): string
  stop(): Promise<void>
}

const base = '/oauth2/default'

export async function startIssuer({ port = 0, audience = 'api://postern' } = {}): Promise<Issuer> {
  const directory = newDirectory()
  const server = createServer()
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(port, '127.0.0.1', resolve),
  )
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`
  const { makeProvider } = await quietly(() => import('./provider.ts'))
  const provider = makeProvider(issuer, audience, directory)
  const serve = provider.callback()
  server.on('request', (request, response) => {
    const path = (request.url ?? '').slice(base.length)
    if (!(request.url ?? '').startsWith(base)) response.writeHead(404).end()
    else if (path.startsWith('/login/'))
      signIn(provider, directory, request, response).catch(() => response.destroy())
    else {
      // The provider builds its own addresses from what was asked for before the prefix was taken off.
      Object.assign(request, { originalUrl: request.url, url: path })
      serve(request, response).catch(() => response.destroy())
    }
  })
  return {
    issuer,
    audience,
    secrets: [...directory.apps.map(app => app.secret), ...directory.users.map(user => user.password)],
    serviceToken: client =>
      tokenFor(issuer, directory, client, { grant_type: 'client_credentials', scope: 'postern' }),
    userToken: (client, login) => deviceToken(issuer, directory, client, userNamed(directory, login)),
    approve: (login, uri, code) => approveDevice(uri, code, userNamed(directory, login)),
    secretOf: client => secretOf(directory, client),
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export { clients }

/** `oidc-provider` warns on import of any Node that is not yet LTS; the story's first line is not the place for it. */
async function quietly<T>(run: () => Promise<T>): Promise<T> {
  const { warn } = console
  console.warn = () => undefined
  try {
    return await run()
  } finally {
    console.warn = warn
  }
}

async function deviceToken(
  issuer: string,
  directory: Directory,
  client: string,
  user: User,
): Promise<string> {
  const asked = await post(`${issuer}/v1/device/authorize`, directory, client, { scope: 'postern' })
  const [code, uri] = [asked['user_code'], asked['verification_uri']]
  if (typeof code !== 'string' || typeof uri !== 'string') throw new Error('the device flow gave no code')
  await approveDevice(uri, code, user)
  return tokenFor(issuer, directory, client, {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code: String(asked['device_code']),
  })
}

async function tokenFor(
  issuer: string,
  directory: Directory,
  client: string,
  form: Record<string, string>,
): Promise<string> {
  const answer = await post(`${issuer}/v1/token`, directory, client, form)
  if (typeof answer['access_token'] !== 'string') throw new Error('the token endpoint gave no access token')
  return answer['access_token']
}

async function post(
  url: string,
  directory: Directory,
  client: string,
  form: Record<string, string>,
): Promise<Record<string, unknown>> {
  const basic = Buffer.from(`${client}:${secretOf(directory, client)}`).toString('base64')
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ ...form, client_id: client }),
    headers: { authorization: `Basic ${basic}` },
    signal: AbortSignal.timeout(5000),
  })
  const body = (await response.json()) as Record<string, unknown>
  if (!response.ok)
    throw new Error(`${url}: ${response.status} ${body['error']} ${body['error_description'] ?? ''}`)
  return body
}

const secretOf = ({ apps }: Directory, client: string): string =>
  apps.find(app => app.id === client)?.secret ?? ''

function userNamed(directory: Directory, login: string): User {
  const user = directory.users.find(u => u.login === login)
  if (user === undefined) throw new TypeError(`no user ${login}`)
  return user
}
