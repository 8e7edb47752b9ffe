/**
 * An ordinary account of this machine, for what a host does otherwise for it than for root. It is gone when the test's
 * process is, or else when the next test makes one.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

export const noAccounts =
  process.getuid?.() === 0 && existsSync('/usr/sbin/useradd')
    ? false
    : 'who is not root cannot make an account'

export interface Account {
  readonly name: string
  /** From now on this is its login shell. */
  shell(path: string): void
  remove(): void
}

export function makeAccount(): Account {
  const admin = (program: string, ...args: readonly string[]) =>
    execFileSync(`/usr/sbin/${program}`, args, { stdio: 'pipe' })
  const gone = (name: string) => {
    const there = readFileSync('/etc/passwd', 'utf8').includes(`\n${name}:`)
    if (there) admin('userdel', '-f', '-r', name)
  }
  for (const [, name = '', pid] of readFileSync('/etc/passwd', 'utf8').matchAll(/^(postern-(\d+)):/gm))
    if (!existsSync(`/proc/${pid}`)) gone(name)
  const name = `postern-${process.pid}`
  // No password, but not locked either: sshd lets nobody into a locked account.
  admin('useradd', '-m', '-s', '/bin/sh', '-p', '*', name)
  const remove = () => gone(name)
  process.once('exit', remove)
  return { name, remove, shell: path => void admin('usermod', '-s', path, name) }
}
