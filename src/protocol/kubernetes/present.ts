/** What an agent is told of a grant on a cluster, and how `postern connect` runs kubectl. */
import { join } from 'node:path'
import type { ClientProgram, Presented, Presenting } from '../protocol.ts'
import type { KubernetesTarget } from './dial.ts'

export function present({
  grant,
  connection,
  advertised,
  url,
  password,
  ca,
}: Presenting<KubernetesTarget>): Presented {
  const { host, port } = advertised
  const plain = url ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}/c/${connection}`
  // kubectl sends no credential over plain http; on loopback the same port takes TLS too.
  const server = plain.replace(/^http:/, 'https:')
  return {
    endpoint: { host, port, url: server, ...(ca === undefined ? {} : { ca }) },
    env: {
      POSTERN_KUBERNETES_SERVER: server,
      POSTERN_KUBERNETES_USER: grant.id,
      ...(password === undefined ? {} : { POSTERN_KUBERNETES_TOKEN: password }),
    },
    connect: `postern connect ${connection} -- get pods`,
  }
}

export const kubectl: ClientProgram = {
  program: 'kubectl',
  wantsKey: false,
  prepare({ grant, folder, args }) {
    const { url = '', ca } = grant.endpoint
    const { connection: name, credential } = grant
    // JSON is YAML, and needs no quoting of its own. The token is in a 0600 file: a command line is for all to see (attack 204).
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      contexts: [{ name, context: { cluster: name, user: name } }],
      clusters: [
        {
          name,
          cluster: {
            server: url,
            ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
          },
        },
      ],
      users: [{ name, user: { token: credential.password ?? '' } }],
    }
    return {
      args,
      // Its caches of what there is belong to this grant: the next one may see something else.
      env: { KUBECONFIG: join(folder, 'kubeconfig'), KUBECACHEDIR: join(folder, 'cache') },
      files: { kubeconfig: `${JSON.stringify(config, null, 2)}\n` },
    }
  },
}
