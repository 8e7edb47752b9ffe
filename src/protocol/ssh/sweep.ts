/**
 * Ends what a session left running on a host whose sshd honours no signals: OpenSSH refuses them where it has no
 * privilege separation, which is so for root before 9.9.
 *
 * One more channel on the same connection runs a few lines of shell. Its parent is the sshd process of this very
 * connection, so the parent's other children are exactly our commands, each the leader of its own session; what is in
 * their sessions gets HUP and soon after KILL, also when the connection is closed by then. It needs /proc and a POSIX shell, and takes no input of the
 * client's: the text below is all that is ever sent.
 */
import { message, Reader } from '../../statement/sftp/fields.ts'
import { channelRequest, maxPacket, msg } from './messages.ts'
import type { Wire } from './wire.ts'

/** Outside the numbers that the relay gives to the client's channels. */
const channel = 0xffff_0000

const script = `
trap "" PIPE
nl="
"
all() {
  for f in /proc/[0-9]*/stat; do
    l=; read -r l 2>/dev/null <"$f" || continue
    p=\${f#/proc/}; p=\${p%/stat}; l=\${l##*) }
    set -- $l
    if [ "$1" != Z ]; then echo "$p $2 $4"; fi
  done
}
ours="$nl$(all | while read -r p pp s; do
  if [ "$pp" = $PPID ] && [ "$p" = "$s" ] && [ "$p" != $$ ]; then echo "$p"; fi
done)$nl"
end() {
  all | while read -r p pp s; do
    case "$ours" in *"$nl$s$nl"*) kill -$1 "$p" 2>/dev/null ;; esac
  done
}
end HUP
echo 2>/dev/null
sleep 0.2 2>/dev/null || sleep 1
end KILL
`

/** `exec` keeps the login shell's place, so that `$PPID` is sshd. */
const command = `exec sh -c '${script}'`

export class Sweep {
  readonly done: Promise<void>
  readonly #wire: Wire
  #far: number | undefined
  #finish: () => void = () => undefined

  constructor(wire: Wire) {
    this.#wire = wire
    this.done = new Promise(resolve => {
      this.#finish = resolve
    })
    wire.send(message(msg.channelOpen, 'session', channel, 65_536, maxPacket))
  }

  /** Whether a message of the host's belongs to this channel. */
  takes(type: number, payload: Buffer): boolean {
    if (type < msg.channelOpenConfirmation || type > msg.channelFailure) return false
    const fields = new Reader(payload, 1)
    if (fields.u32() !== channel) return false
    if (type === msg.channelOpenConfirmation) {
      this.#far = fields.u32()
      this.#wire.send(channelRequest(this.#far, 'exec', false, command))
    }
    // Its first output says that HUP has been sent to all.
    if (type === msg.channelData || type === msg.channelClose || type === msg.channelOpenFailure)
      this.#finish()
    return true
  }
}
