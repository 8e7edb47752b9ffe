/**
 * The demo's one temporary folder and everything that runs from it; all of it gone at the end, however the end comes.
 *
 * An ordinary end, Ctrl-C and an error run {@link Home.close}. For a crash and SIGKILL there is a watchdog: a detached
 * `sh` that reads a pipe whose other end only this process holds. When the pipe closes without a goodbye it stops the
 * processes it was told of and removes the folder.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Home {
  readonly dir: string
  /** Makes a folder inside; 0700 unless told. */
  folder(name: string, mode?: number): Promise<string>
  /** From now on this process group is stopped at the end: by `signal`, after two seconds by SIGKILL. */
  keep(child: ChildProcess, signal?: NodeJS.Signals): void
  /** A folder outside that had to be made: removed at the end if nobody else put anything into it. */
  outside(dir: string): void
  /** Runs at the end, before the processes are stopped; the last one given first. */
  onEnd(run: () => Promise<void> | void): void
  close(): Promise<void>
}

// $1 is the folder. "pid N SIG" and "gone N" keep the list; "dir D" is another folder that is ours if it is empty at the
// end; "bye" means that all has been seen to.
const watchdog = `
list= extra=
while read -r verb pid sig; do
  case $verb in
    pid) list="$list $pid:$sig" ;;
    gone) list=$(printf '%s' "$list" | sed "s/ $pid:[A-Z]*//") ;;
    dir) extra=$pid ;;
    bye) exit 0 ;;
  esac
done
for one in $list; do kill -s "\${one#*:}" -- "-\${one%:*}" 2>/dev/null; done
sleep 1
for one in $list; do kill -s KILL -- "-\${one%:*}" 2>/dev/null; done
rm -rf -- "$1"
[ -z "$extra" ] || rmdir -- "$extra" 2>/dev/null
`

export async function openHome(): Promise<Home> {
  const dir = await mkdtemp(join(tmpdir(), 'postern-demo-'))
  // As root PostgreSQL runs as another user, who must pass through; what is secret lies in folders that are 0700.
  if (process.getuid?.() === 0) await chmod(dir, 0o711)
  const guard = spawn('sh', ['-c', watchdog, 'postern-demo-watchdog', dir], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.unref()
  guard.stdin.on('error', () => undefined)
  const tell = (line: string): void => void guard.stdin.write(`${line}\n`)

  const running = new Map<ChildProcess, NodeJS.Signals>()
  const endings: (() => Promise<void> | void)[] = []
  let closing: Promise<void> | undefined
  return {
    dir,
    async folder(name, mode = 0o700) {
      const path = join(dir, name)
      await mkdir(path, { mode })
      return path
    },
    keep(child, signal = 'SIGTERM') {
      if (child.pid === undefined) return
      tell(`pid ${child.pid} ${signal.slice(3)}`)
      running.set(child, signal)
      child.once('exit', () => {
        running.delete(child)
        tell(`gone ${child.pid}`)
      })
    },
    outside(path) {
      tell(`dir ${path}`)
      endings.push(() => rmdir(path).catch(() => undefined))
    },
    onEnd: run => void endings.unshift(run),
    close() {
      closing ??= (async () => {
        for (const run of endings) await Promise.resolve(run()).catch(() => undefined)
        await Promise.all([...running].map(([child, signal]) => stop(child, signal)))
        await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
        guard.stdin.end('bye\n')
      })()
      return closing
    },
  }
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  signalGroup(child, signal)
  const hard = setTimeout(() => signalGroup(child, 'SIGKILL'), 2000)
  await exited
  clearTimeout(hard)
}

/** Children kept here were started detached, so each leads a group of its own. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
