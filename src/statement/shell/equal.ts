/**
 * Patterns that give away more than they say: the command runs other commands, so allowing it is allowing a shell
 * (attack 114). `postern check` warns of them. Pure, and never complete: it knows the common ones.
 */
import { isMark, wordText } from './line.ts'
import { type Pattern, symbolsOf } from './pattern.ts'

/** Programs with a documented way to run others: a pager, a hook, an option, an escape, a language of their own. */
const shells = new Set(
  `sh bash dash zsh ksh fish csh tcsh busybox env xargs sudo su doas nice nohup timeout time watch setsid stdbuf unshare
  chroot nsenter systemd-run script expect screen tmux at batch crontab ssh scp sftp rsync find fd awk gawk mawk sed perl
  python python3 ruby node php lua tclsh git hg svn tar zip unzip cpio man less more most vi vim nvim view emacs nano ed ex
  gdb strace ltrace make cmake npm npx pip gem docker podman kubectl crictl ctr runc apt apt-get dpkg yum dnf rpm snap
  psql mysql sqlite3 mongo redis-cli ftp socat nc ncat openssl tcpdump journalctl systemctl service mount ip eval exec
  command source parallel flock logrotate run-parts start-stop-daemon tee dd cp mv ln install chmod chown`.split(
    /\s+/,
  ),
)

/** The command that is as good as a shell, for the warning; nothing where the pattern seems to be what it says. */
export function equalsShell(pattern: Pattern): string | undefined {
  if (pattern === '*') return 'any command line'
  const [first, ...rest] = symbolsOf(pattern) ?? []
  if (first === undefined) return undefined
  if (first.some(isMark)) return wordText(first)
  const name = wordText(first).split('/').at(-1) ?? ''
  // Spelled out to the last word there is nothing left to slip in, unless the command itself is interactive.
  const open = rest.length === 0 || rest.some(word => word.some(isMark))
  return shells.has(name) && open ? name : undefined
}
