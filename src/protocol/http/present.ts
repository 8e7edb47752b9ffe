/** What an agent is told of a grant on an API, and how `postern connect` runs curl. The password is only ever in `env`. */
import { join } from 'node:path'
import type { ClientProgram, Presented, Presenting } from '../protocol.ts'
import type { HttpTarget } from './dial.ts'

export function present({
  grant,
  connection,
  advertised,
  url,
  password,
  ca,
}: Presenting<HttpTarget>): Presented {
  const { host, port } = advertised
  const door = url ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}/c/${connection}`
  return {
    endpoint: { host, port, url: `${door}/`, ...(ca === undefined ? {} : { ca }) },
    env: {
      POSTERN_HTTP_URL: `${door}/`,
      POSTERN_HTTP_USER: grant.id,
      ...(password === undefined ? {} : { POSTERN_HTTP_PASSWORD: password }),
    },
    connect: `curl -u ${grant.id} ${door}/`,
  }
}

export const curl: ClientProgram = {
  program: 'curl',
  wantsKey: false,
  prepare({ grant, folder, args }) {
    const { url = '', ca } = grant.endpoint
    const { username, password } = grant.credential
    const [first = '/', ...rest] = args
    const secure = url.startsWith('https:') && ca !== undefined
    // In a 0600 file, for a command line is for all to see (attack 204).
    const config = [
      // A refusal ends with 22 and shows its body; an older curl passes over words that it does not know in here.
      ...['silent', 'show-error', ...(rest.some(fails) ? [] : ['fail-with-body'])],
      `user = ${quoted(`${username}:${password ?? ''}`)}`,
      ...(secure ? [`cacert = ${quoted(join(folder, 'ca.pem'))}`] : []),
    ]
    return {
      // `postern connect billing-api -- /v1/orders`: the first argument may be a path below the connection.
      args: [
        '-K',
        join(folder, 'curlrc'),
        ...(first.startsWith('/') ? [url.replace(/\/$/, '') + first] : [first]),
        ...rest,
      ],
      env: {},
      files: { curlrc: `${config.join('\n')}\n`, ...(secure ? { 'ca.pem': ca } : {}) },
    }
  },
}

/** `-f`, also among others that take no value, and not in one (`-dfrom=1`): curl takes one of the two alone. */
const fails = (arg: string) => arg === '--fail' || /^-[0-6aBgGiIjJklLMnNOpqRsSvVZ#]*f/.test(arg)

const quoted = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
