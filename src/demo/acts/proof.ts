/** Steps 14 to 16: what was recorded holds together, a change to it shows, and nothing that must not be is in it. */
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { transcript } from '../command.ts'
import type { Stage } from '../stage.ts'
import type { World } from '../world.ts'

export async function proof(stage: Stage, world: World): Promise<void> {
  const { olga, gateway, home } = world
  stage.title('PROOF')
  const key = join(gateway.data, 'keys', 'audit.pub.pem')
  const verify = (data: string) => olga.postern(['audit', 'verify', '--data', data, '--key', key])

  await stage.step('postern audit verify', async () => {
    const { status, stdout, stderr } = await verify(gateway.data)
    return { said: lastLine(stdout), kept: status === 0, instead: stdout + stderr }
  })
  await stage.step('change one byte of a copy, verify', async () => {
    const copy = join(await home.folder('tampered'), 'data')
    await cp(gateway.data, copy, { recursive: true })
    const where = await changeOneByte(join(copy, 'audit'))
    const { status, stdout, stderr } = await verify(copy)
    const named = `${stdout}${stderr}`.includes(where)
    return { said: `BROKEN ${where}`, kept: status === 1 && named, instead: `${status}: ${stdout}${stderr}` }
  })
  await stage.step('search all output and data for secrets', async () => {
    const { found, secrets, bytes } = await leaks(world)
    const said = `${found.length} of ${secrets} found in ${(bytes / 1024).toFixed(0)} KiB`
    return { said, kept: found.length === 0 && bytes > 0, instead: found.join('; ') }
  })
}

/** In the middle of the audit, in the value of a line's time: valid JSON as before, and another truth. */
async function changeOneByte(folder: string): Promise<string> {
  const name = (await readdir(folder)).filter(n => n.endsWith('.jsonl')).sort()[0] ?? ''
  const lines = (await readFile(join(folder, name), 'utf8')).split('\n')
  const line = Math.floor(lines.length / 2)
  lines[line] = (lines[line] ?? '').replace(
    /("time":"?\d*)(\d)/,
    (_, head: string, digit: string) => `${head}${(Number(digit) + 1) % 10}`,
  )
  await writeFile(join(folder, name), lines.join('\n'))
  return `audit/${name}:${line + 1}`
}

/** Infrastructure's secrets may be nowhere; tokens and grants' passwords not in anything that Postern keeps. */
async function leaks({ orders, host, issuer, gateway, sreBot, analystBot, olga }: World) {
  const infrastructure: [string, string][] = [
    ['the database password', orders.passwords.ro],
    ["the host's private key", privateLine(host.leasePrivate)],
    ...issuer.secrets.map((secret): [string, string] => ["the issuer's secret", secret]),
  ]
  const agents: [string, string][] = [sreBot, analystBot, olga].map(who => [
    `${who.name}'s token`,
    who.token.split('.')[2] ?? '',
  ])
  const passwords = new Set(transcript.join('\n').match(/pst_[A-Za-z0-9_-]{16,}/g))
  for (const password of passwords) agents.push(["a grant's password", password])

  const kept = [await readFile(gateway.logFile, 'latin1')]
  for (const file of await readdir(gateway.data, { recursive: true, withFileTypes: true })) {
    // The gateway's own private keys lie there, 0600; they are not what is searched for, but for the rest all is.
    if (file.isFile()) kept.push(await readFile(join(file.parentPath, file.name), 'latin1'))
  }
  const data = kept.join('\n')
  const printed = transcript.join('\n')
  const hits = (list: [string, string][], text: string, where: string): string[] =>
    list
      .filter(([, secret]) => forms(secret).some(form => text.includes(form)))
      .map(([name]) => `${name} in ${where}`)
  const found = [
    ...hits(infrastructure, data, 'data or log'),
    ...hits(agents, data, 'data or log'),
    ...hits(infrastructure, printed, 'the output'),
  ]
  return { found, secrets: infrastructure.length + agents.length, bytes: data.length + printed.length }
}

/** As it is, and as it might hide: base64, hex, percent-encoded. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ]
}

/** Where an OpenSSH key file holds the private half of an ed25519 key: its fourth line of base64. */
const privateLine = (pem: string): string => pem.split('\n')[4] ?? pem

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
