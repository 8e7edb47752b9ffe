/** Ansible through a gateway to a real sshd: what each kind of task needs in the scope, and where it stops without. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Home, openHome } from '../../src/demo/home.ts'
import { newKey, python3 } from '../fixtures/clients.ts'
import { type Gateway, startGateway } from '../fixtures/gateway.ts'
import { type FakeOkta, fakeOkta } from '../fixtures/issuer.ts'
import { missing, type Ran, run } from '../fixtures/run.ts'
import { startSshd } from '../fixtures/sshd.ts'

const cache = join(import.meta.dirname, '../../node_modules/.cache/postern/python')
const playbook = join(import.meta.dirname, 'ssh-matrix/ansible.yml')
const program = join(cache, 'bin/ansible-playbook')
const skip = missing('/usr/sbin/sshd', 'ssh', python3) || missing(program)
let home: Home
let okta: FakeOkta
let gateway: Gateway
let files: string

before(async () => {
  if (skip) return
  home = await openHome()
  okta = await fakeOkta(home)
  files = await home.folder('files')
  gateway = await startGateway(home, {
    okta,
    sshd: await startSshd(home),
    rules: `
  - { group: raw, connection: web-1, ttl: 10m, scope: { exec: ["uname -s"] } }
  - { group: modules, connection: web-1, ttl: 10m, scope: { exec: ["uname -s", "/bin/sh -c '/usr/bin/python3 && sleep 0'"] } }
  - { group: files, connection: web-1, ttl: 10m, scope: { exec: ["uname -s", "/bin/sh -c **"], sftp: { write: [${files}] } } }
`,
  })
})
after(() => home?.close())

/** Runs the playbook as `group`, with the key that the grant was asked for with or with the grant's password. */
async function ansible(group: string, target: string, by: 'key' | 'password'): Promise<Ran> {
  const key = await newKey(home)
  const asked = by === 'key' ? { public_key: key.public } : {}
  const { json } = await gateway.grant(okta.token({ groups: [group] }), 'web-1', asked)
  const [source, known] = [join(home.dir, 'source'), join(home.dir, 'known_hosts')]
  await writeFile(source, 'by Ansible\n')
  await writeFile(known, (await gateway.api('GET', '/v1/ssh/known_hosts')).text)
  const web = {
    ansible_host: '127.0.0.1',
    ansible_port: gateway.ports.ssh,
    ansible_user: json.credential.username,
    ...(by === 'key'
      ? { ansible_ssh_private_key_file: key.file }
      : { ansible_password: json.credential.password, ansible_ssh_password_mechanism: 'ssh_askpass' }),
    ansible_ssh_args: `-F none -o UserKnownHostsFile=${known} -o ControlMaster=auto -o ControlPersist=5s`,
    ansible_ssh_use_tty: false,
    ansible_pipelining: true,
    // Ansible would look for its folder in the home of the user that it logs in as, and that is the grant.
    ansible_remote_tmp: join(files, 'tmp'),
    ansible_python_interpreter: '/usr/bin/python3',
  }
  const inventory = join(home.dir, `${json.id}.json`)
  await writeFile(inventory, JSON.stringify({ all: { hosts: { 'web-1': web } } }))
  return run(program, [playbook, '-v', '-i', inventory, '-e', `source=${source} target=${target}`], {
    cwd: home.dir,
    env: { PYTHONPATH: cache, HOME: home.dir, LC_ALL: 'C.UTF-8', ANSIBLE_NOCOLOR: '1' },
    timeout: 60_000,
  })
}

test('Ansible runs a playbook of raw, command, setup and copy', { skip }, async () => {
  const target = join(files, 'target')
  const ran = await ansible('files', target, 'key')
  assert.equal(ran.status, 0, ran.stdout + ran.stderr)
  assert.match(ran.stdout, /saw Linux, two words, Linux/)
  assert.equal(await readFile(target, 'utf8'), 'by Ansible\n')
  assert.equal((await stat(target)).mode & 0o777, 0o640)
})

test('Ansible gets as far in its playbook as the scope goes', { skip }, async () => {
  const [notCopied, notRun] = [join(files, 'not-copied'), join(files, 'not-run')]
  const [modules, raw] = await Promise.all([
    ansible('modules', notCopied, 'password'),
    ansible('raw', notRun, 'key'),
  ])
  assert.match(modules.stdout, /saw Linux, two words, Linux/, modules.stderr)
  // To make the folder for the file that copy brings is the first command out of scope.
  assert.match(modules.stdout, /TASK \[copy\][\s\S]*umask 77[\s\S]*exited with result 126/)
  assert.match(raw.stdout, /"rc": 0, [^\n]*"stdout": "Linux/, raw.stderr)
  assert.match(raw.stdout, /TASK \[command\][\s\S]*postern: statement_refused/)
  for (const ran of [modules, raw]) assert.notEqual(ran.status, 0)
  for (const file of [notCopied, notRun]) assert.equal(existsSync(file), false)
})
