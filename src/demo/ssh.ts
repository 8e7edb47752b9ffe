/** An agent's SSH client on a grant: OpenSSH's where the machine has it, else the ssh2 library's. */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import type { Agent, Granted } from './agent.ts'
import { has, type Ran, run, transcript } from './command.ts'

export interface SshClient {
  readonly program: 'ssh' | 'ssh2'
  exec(command: string): Promise<Ran>
  /** Asks the gateway to carry a TCP connection to somewhere else. */
  forward(host: string, port: number): Promise<Ran>
}

export async function sshClient(agent: Agent, name: string, grant: Granted): Promise<SshClient> {
  return has('ssh') ? openssh(agent, name, grant) : library(grant)
}

/** The password reaches ssh through SSH_ASKPASS and the environment; a command line could be read by others. */
async function openssh(agent: Agent, name: string, { endpoint, credential }: Granted): Promise<SshClient> {
  const askpass = join(agent.folder, 'askpass')
  await writeFile(askpass, '#!/bin/sh\nprintf "%s\\n" "$GRANT_PASSWORD"\n')
  await chmod(askpass, 0o700)
  const knownHosts = join(agent.folder, 'known_hosts')
  await writeFile(knownHosts, `[${endpoint.host}]:${endpoint.port} ${endpoint.host_key}\n`)
  const config = join(agent.folder, 'ssh_config')
  await writeFile(
    config,
    `Host ${name}
  HostName ${endpoint.host}
  Port ${endpoint.port}
  User ${credential.username}
  UserKnownHostsFile ${knownHosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  PreferredAuthentications password,keyboard-interactive
  PubkeyAuthentication no
  NumberOfPasswordPrompts 1
  LogLevel INFO
`,
  )
  const env = {
    SSH_ASKPASS: askpass,
    SSH_ASKPASS_REQUIRE: 'force',
    DISPLAY: 'none',
    GRANT_PASSWORD: credential.password,
  }
  const ssh = (...args: string[]): Promise<Ran> => run('ssh', ['-F', config, ...args], { env })
  return {
    program: 'ssh',
    exec: command => ssh(name, command),
    forward: (host, port) => ssh('-W', `${host}:${port}`, name),
  }
}

function library({ endpoint, credential }: Granted): SshClient {
  const connected = <T>(use: (client: ssh2.Client, done: (value: T) => void) => void): Promise<T> => {
    const client = new ssh2.Client()
    return new Promise<T>((resolve, reject) => {
      client.once('error', reject).once('ready', () => use(client, resolve))
      client.connect({
        host: endpoint.host,
        port: endpoint.port,
        username: credential.username,
        password: credential.password,
        readyTimeout: 10_000,
        hostVerifier: (key: Buffer) => `${endpoint.host_key}`.split(' ')[1] === key.toString('base64'),
      })
    }).finally(() => client.end())
  }
  const failed = (error: Error): Ran => ({ status: 255, stdout: '', stderr: error.message })
  return {
    program: 'ssh2',
    exec: command =>
      connected<Ran>((client, done) =>
        client.exec(command, (error, channel) => {
          if (error) return done(failed(error))
          let [stdout, stderr, status] = ['', '', -1]
          channel.on('data', (chunk: Buffer) => (stdout += chunk))
          channel.stderr.on('data', (chunk: Buffer) => (stderr += chunk))
          channel.on('exit', (code: number) => (status = code))
          channel.on('close', () => {
            transcript.push(stdout, stderr)
            done({ status, stdout, stderr })
          })
        }),
      ),
    forward: (host, port) =>
      connected<Ran>((client, done) =>
        client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
          if (error) return done(failed(error))
          channel.destroy()
          done({ status: 0, stdout: '', stderr: '' })
        }),
      ),
  }
}
