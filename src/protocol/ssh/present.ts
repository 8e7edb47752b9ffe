/** What an agent is told of a grant on a host, and how `postern connect` runs OpenSSH's client with it. */
import { join } from 'node:path'
import type { ClientProgram, Presented, Presenting } from '../protocol.ts'
import { userCertificate } from './authority.ts'
import type { SshTarget } from './dial.ts'
import type { SshScope } from './scope.ts'

export function present(at: Presenting<SshTarget>): Presented {
  const { host, port } = at.advertised
  const { authority, grant, sources } = at
  const ca =
    authority === undefined
      ? {}
      : { host_ca: `${authority.type} ${Buffer.from(authority.blob).toString('base64')}` }
  const certificate =
    authority === undefined || grant.request.publicKey === undefined
      ? undefined
      : userCertificate(grant, grant.scope as unknown as SshScope, authority, sources)
  return {
    endpoint: { host, port, host_key: at.hostKey, ...ca },
    ...(certificate === undefined ? {} : { certificate }),
    env: {
      POSTERN_SSH_HOST: host,
      POSTERN_SSH_PORT: String(port),
      POSTERN_SSH_USER: at.grant.id,
      ...(at.password === undefined ? {} : { POSTERN_SSH_PASSWORD: at.password }),
    },
    connect: `ssh -p ${port} ${at.grant.id}@${host}`,
  }
}

/** A login with a key made for the purpose: OpenSSH takes no password from anything but a terminal. */
export const client: ClientProgram = {
  program: 'ssh',
  wantsKey: true,
  prepare({ grant, folder, keyFile, args }) {
    const { host, port, host_key, host_ca } = grant.endpoint
    const { certificate } = grant.credential
    const knownHosts = join(folder, 'known_hosts')
    const name = port === 22 ? host : `[${host}]:${port}`
    const options = [
      ...(keyFile === undefined ? [] : ['-i', keyFile]),
      ...['-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'GlobalKnownHostsFile=/dev/null'],
      ...['-o', 'StrictHostKeyChecking=yes', '-o', 'IdentitiesOnly=yes', '-o', 'ForwardAgent=no'],
      ...['-p', String(port), '-l', grant.credential.username, host],
    ]
    return {
      args: [...options, ...args],
      env: {},
      files: {
        known_hosts: [
          ...(host_ca === undefined ? [] : [`@cert-authority ${name} ${host_ca}\n`]),
          ...(host_key === undefined ? [] : [`${name} ${host_key}\n`]),
        ].join(''),
        // OpenSSH finds it by its name, beside the key.
        ...(certificate === undefined || keyFile === undefined ? {} : { 'key-cert.pub': `${certificate}\n` }),
      },
    }
  },
}
