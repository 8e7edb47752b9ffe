/**
 * What the {@link Guardian} runs on a host, and how a command that the host itself enforces leaves room for it.
 *
 * Each line is joined to one without quote, backslash or exclamation mark, so that csh and fish read it as sh does; and
 * none is as long as csh's longest word.
 */

/**
 * `look` reads parent, session and start from /proc/PID/stat, behind the name. What sshd itself has started is told at
 * once, with its process group; then all of their sessions and what carries the connection's name. grep does the
 * searching: where many connections end at once, loops of the shell over all of /proc took a host fifteen seconds. Only
 * where it does not find what is in its own command line (busybox's looks no further than the first word) they do.
 *
 * A process may be named as it likes, with the end of the line that is read in it and a pattern: were that to become the
 * names of files, another account could have root's guardian end what is no affair of the connection's. So it could where it runs
 * in a session beside others (a pool of workers) and carries the name: what another account has carry it is ended by itself.
 */
const knows = oneLine(`
exec 2>/dev/null; trap "" HUP INT TERM PIPE; PATH=/usr/bin:/bin:$PATH; c="$SSH_CONNECTION"; our=x
look() { l=; read -r l </proc/$1/stat; set -f; set -- \${l##*) }; set +f; pp=$2; s=$4; t=\${20:-0}; }
own() { case "$s" in ""|0|1|$me) ;; *) our="$our|$s";; esac; }
end() { kill -$k $p; }
at() { p=\${f#/proc/}; p=\${p%/*}; look $p; [ $t -ge $t0 ] && $a; }
each() { a=$1; shift; for f in $(grep -ls "$@"); do at; done; }
ours() { id=$(id -u); if grep -qF sweep /proc/self/cmdline; then each mine -Fe "$@"; else a=mine; n=$1; shift; for f; do case "$(cat $f)" in *"$n"*) at;; esac; done; fi; }
sweep() { for k in HUP KILL; do look $up; l=; [ $t = $t0 ] && read -r l </proc/$up/task/$up/children; \
for p in $l; do look $p; case "$pp $s" in "$up $me") ;; "$up $p") own; kill -$k -$p;; esac; done
case "$c" in *" "*" "*" "*) ours "SSH_CONNECTION=$c" /proc/[0-9]*/environ;; esac
each end -E "[)] . [0-9]+ [0-9]+ ($our) " /proc/[0-9]*/stat
case $k in HUP) echo; sleep .2 || sleep 1;; esac; done; }
`)

/**
 * `mine` looks at the real user: a program that is another's by its owner (setuid) is who started it.
 *
 * `one N x x` ends the third of N, in the order in which sshd has started what still runs besides this; where there are
 * not N, none. It is counted in words, for some shells compute numbers and run what is written in them.
 */
const does = oneLine(`
mine() { while read -r q i z; do case $q in Uid:) [ "$i" = "$id" ] && own || kill -$k $p;; esac; done </proc/$p/status; }
one() { l=; read -r l </proc/$up/task/$up/children; set --; for p in $l; do [ $p = $me ] || set -- "$@" $p; done
case $# in "$n") for p in $x; do shift; done; [ $1 ] && { kill -HUP -$1; sleep .2 || sleep 1; kill -KILL -$1; echo one; } & ;; *) echo not;; esac; }
look $$; me=$s; up=$pp; look $up; t0=$t; while w=; read -r w n x && [ "$w" = one ]; do one; done
case "$w" in go) exit;; end) c=;; stay) { while look $up; [ $t = $t0 ]; do sleep .1 || sleep 1; done; sweep; } </dev/null >/dev/null & exit;; esac
sweep
`)

/** `exec` keeps the login shell's place, so that sshd is the parent. */
const shell = 'exec sh -c '

/** What the gateway asks the host for. */
export const command = `${shell}'eval "$0; $1"' '${knows}' '${does}'`

/**
 * What a host runs whatever it is asked for (`force-command`): the one command, and where the guardian is asked for the
 * guardian, as it stands here. sshd takes no signals for such a session, so nothing else would end the command at a cut.
 * What was asked for is looked at and never run. It is read by sh, in single quotes: no login shell expands it. The command
 * itself is the login shell's, as without this. `line` is plain words, in which there is no semicolon.
 */
export function forcing(line: string): string {
  const choice = `case "$SSH_ORIGINAL_COMMAND" in "${shell}"*";"*) eval "$0; $1";; *) exec "$SHELL" -c "${line}";; esac`
  return `${shell}'${choice}' '${knows}' '${does}'`
}

function oneLine(text: string): string {
  return text.trim().replaceAll('\n', '; ')
}
