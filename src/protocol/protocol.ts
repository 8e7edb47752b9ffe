/**
 * The seam between the house and a protocol. A protocol serves clients and dials targets; the pipeline behind its
 * {@link Door} is the only source of a {@link Session}, so no protocol can open a connection nobody decided on.
 *
 * Adding a protocol = adding a folder and one line in `registry.ts` (DESIGN.md section 4).
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { z } from 'zod'
import type { HostPort } from '../config/config.ts'
import type { Leased } from '../config/secret.ts'
import type { Refused } from '../denial.ts'
import type { Recorder } from '../recording/record.ts'
import type { Ending, Grant, Narrowed, ScramVerifier, Source } from '../words.ts'

export interface Protocol<Target, LeaseRef, Scope, Limit, Up extends Upstream> {
  readonly name: string
  /**
   * Its doors are `/c/<connection>/` on the http listener, not a port of its own: clients are of the kinds `request` and
   * `upgrade`, and all requests of one grant share one session.
   */
  readonly requests?: true
  /** `target:` in postern.yaml, strict. `file:` references arrive as absolute paths. */
  readonly target: z.ZodType<Target>
  /** `lease:` in postern.yaml, strict, secrets as SecretRef. */
  readonly lease: z.ZodType<LeaseRef>
  readonly scope: ScopeKind<Scope, Limit>
  /** How a grant's password is kept: SCRAM where the client proves it without sending it, else SHA-256. */
  readonly verifier: 'scram-sha-256' | 'sha-256'
  /** Serves one client connection until it is over. Never throws for what a client does. */
  serve(client: Client, door: Door<Scope, Up>): Promise<void>
  /** The upstream handshake with a lease. Aborts with `signal`; never leaves a socket behind when it fails. */
  dial(dialling: Dialling<Target, LeaseRef, Scope>): Promise<Up | Refused>
  /** Where a lease can be made for one session, and unmade after it (docs/adr/0007). */
  readonly minting?: Minting<Target, LeaseRef, Scope>
  /**
   * One-shots by name: `query`, `exec`, `request`, `schema`. They go through the guard, the recorder and the mask of the
   * wire itself; REST and MCP derive from them.
   */
  readonly calls: Readonly<Record<string, AnyCall<Scope, Up>>>
  /** What an agent is told of a grant: where to connect and how. Never the password, except in `env`. */
  present(at: Presenting<Target>): Presented
  /** How `postern connect` runs the protocol's usual client. */
  readonly client: ClientProgram
  /** Where a grant can open for a key alone: one public key's text as the wire blob for `Proof.publicKeys`. Pure. */
  publicKey?(text: string): Uint8Array | Refused
  /** Another configuration is in force: forgets what was concluded under the old one. Sessions that go on find it anew. */
  reloaded?(): void
  /** Where several processes serve: a secret of this run, the same in each, before the first client of any. */
  keyed?(run: Uint8Array): void
}

/** A protocol whose own types the house need not know. */
// biome-ignore lint/suspicious/noExplicitAny: the registry is the one place where protocols of all types meet
export type AnyProtocol = Protocol<any, any, any, any, any>

/** One one-shot. A refusal of the guard or of the target is a value; `session.signal` ends it early, and so may `gone`. */
export interface Call<Scope, Up, Input, Output> {
  readonly summary: string
  /** Strict: an unknown key is refused (attack 164). */
  readonly input: z.ZodType<Input>
  readonly output: z.ZodType<Output>
  /** `gone` aborts when whoever asked has left, and nobody waits for the answer. */
  run(input: Input, session: Session<Scope, Up>, gone?: AbortSignal): Promise<Output | Refused>
}

// biome-ignore lint/suspicious/noExplicitAny: what goes in and out is the call's own affair, and checked by its schemas
export type AnyCall<Scope, Up> = Call<Scope, Up, any, any>

/**
 * A scope and its arithmetic. A rule's scope is complete: `schema` fills in what is unsaid as "refused". A limit (a
 * ceiling, a request) says nothing about keys it leaves out. Scopes only ever narrow. All pure.
 */
export interface ScopeKind<Scope, Limit> {
  readonly schema: z.ZodType<Scope>
  readonly limit: z.ZodType<Limit>
  /** What both allow. `meet(s, {})` equals `s`; a complete scope is also a valid limit. */
  meet(scope: Scope, limit: Limit): Scope
  /** Nothing can be done with it. */
  isEmpty(scope: Scope): boolean
  /** What a rule's author may not have meant, such as a pattern that equals a shell: for `postern check`. */
  warnings?(scope: Scope): readonly string[]
  /** For people and for refusals: "select on public.orders, at most 1000 rows". */
  words(scope: Scope): string
}

export interface Dialling<Target, LeaseRef, Scope> {
  readonly target: Target
  readonly lease: Leased<LeaseRef>
  readonly scope: Narrowed<Scope>
  readonly grant: Grant
  readonly session: string
  readonly signal: AbortSignal
}

/**
 * Leases made for one session. `lease` in postern.yaml then holds the credential that makes them, which never opens a
 * session itself; what is made can do no more than the scope says, and ends with the session.
 */
export interface Minting<Target, LeaseRef, Scope> {
  /** Whether this lease is one that makes others: whether its secrets were read or not, it says so alike. */
  wanted(lease: LeaseRef | Leased<LeaseRef>): boolean
  /** All of it or nothing: where it refuses, or `signal` aborts before it answers, nothing of it is in force. */
  mint(
    at: Dialling<Target, LeaseRef, Scope> & { readonly gateway: string },
  ): Promise<Minted<LeaseRef> | Refused>
  /** Removes what a crash left at a target. Answers with the sessions that it was made for. */
  sweep(at: Sweeping<Target, LeaseRef>): Promise<readonly string[] | Refused>
}

export interface Minted<LeaseRef> {
  /** For {@link Protocol.dial}. */
  readonly lease: Leased<LeaseRef>
  /** Nothing of it is left when this resolves. Rejects where something may be: the sweep tries again. */
  release(): Promise<void>
}

export interface Sweeping<Target, LeaseRef> {
  readonly target: Target
  readonly lease: Leased<LeaseRef>
  /** Marks what this gateway has made: others' is never touched. One a data folder. */
  readonly gateway: string
  /** Whether a session is open, or being opened or closed. */
  isLive(session: string): boolean
  readonly signal: AbortSignal
}

/** An open connection to a target. The broker owns its end: it disposes, and destroys after 500 ms regardless. */
export interface Upstream extends AsyncDisposable {
  /** What runs there is told to stop: PostgreSQL CancelRequest, SSH signal HUP. Never throws. */
  cancel(): Promise<void>
  /** The sockets are gone when this returns. */
  destroy(): void
}

/** One client at a door. */
export type Client =
  | { readonly kind: 'stream'; readonly socket: Socket; readonly source: Source; readonly keys: DoorKeys }
  | RequestClient

/** One request at `/c/<connection>/`, or one that asks to become something else (a WebSocket). */
export type RequestClient = {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly source: Source
  /** As the path names it; whether there is one, only whoever shows its credential learns. */
  readonly connection: string
} & (
  | { readonly kind: 'request'; readonly response: ServerResponse }
  | { readonly kind: 'upgrade'; readonly head: Uint8Array }
)

/** What the gateway shows of itself at a stream door. */
export interface DoorKeys {
  readonly tls: SecureContext
  /** The gateway's own SSH host key, OpenSSH PEM. */
  readonly hostKey: string
  /** What it shows beside the bare key, and the authority whose certificates open grants. */
  readonly ssh?: { readonly certificate: () => Uint8Array; readonly authority: Uint8Array }
  /** Plaintext may be taken at this door: loopback, or `insecure: true`. */
  readonly plaintext: boolean
  /** The client reached us over loopback. */
  readonly loopback: boolean
}

export interface Door<Scope, Up> {
  /** Aborts when the gateway drains: no new logins. */
  readonly signal: AbortSignal
  /** What is needed to check who `user` says it is. Strangers get an equal decoy (attack 42). */
  proof(user: string): Promise<Proof>
  /** The whole pipeline: redeem, locks, rule, recording, lease, dial. The one way to a session. */
  enter(shown: Shown): Promise<Session<Scope, Up> | Refused>
  /**
   * A cancel key that a client sent: obeyed only if we issued it and its session lives. Silent either way. Resolves when the
   * target has heard it, or cannot: a client may take it that what it asks next is not cancelled any more. Never rejects.
   */
  cancel(key: Uint8Array): Promise<void>
  /** A refusal before there was a grant (a violation in the handshake): audited. */
  note(refused: Refused, user?: string): void
}

export interface Proof {
  /** The verifier to run SCRAM-SHA-256 against. A stranger's is a decoy no password fits. */
  readonly scram: ScramVerifier
  /** Whether `user` names a connection where a token itself may be shown (`token_login`). */
  readonly tokenLogin: boolean
  /** Where such a token comes from: the issuer's URL, for clients that can get one by themselves (RFC 7628). */
  readonly tokenIssuer?: string
  /** SSH public keys, as wire blobs, that open this grant. Empty for strangers. */
  readonly publicKeys: readonly Uint8Array[]
}

/** What a client showed at a door, after the protocol has verified its form and, for keys, its signature. */
export type Shown =
  /** Request doors may be shown a password alone, which names its grant by itself: `user` is empty then. */
  | { readonly how: 'secret'; readonly user: string; readonly secret: string }
  /** A SCRAM exchange that was run against `proof(user).scram` and failed or succeeded; failures are audited too. */
  | {
      readonly how: 'scram'
      readonly user: string
      readonly proven: boolean
      /** The `proof(user).scram` it was run against: a password renewed during the exchange must not pass. */
      readonly against: ScramVerifier
    }
  /** The key whose signature was verified (never one merely offered: CVE-2024-45337, GHSA-3cjp). */
  | { readonly how: 'key'; readonly user: string; readonly key: Uint8Array }

export interface Session<Scope, Up> {
  readonly id: string
  readonly grant: Grant
  readonly scope: Narrowed<Scope>
  /** `record: values` on the rule: values themselves may be recorded, not their shape alone (DESIGN.md section 9). */
  readonly recordValues: boolean
  readonly upstream: Up
  readonly recorder: Recorder
  /**
   * Aborts at the cut; its `reason` is the {@link Ending}. The protocol then stops reading on both sides, tells the
   * client why in its own words, cancels upstream and returns from `serve`. The broker destroys after 500 ms.
   */
  readonly signal: AbortSignal
  /** Eight random bytes that stand for this session in a cancel request. Ours, never the upstream's. */
  readonly cancelKey: Uint8Array
  /** Ends the session, from either side; idempotent. Resolves when everything is closed and the recording sealed. */
  end(ending: Ending): Promise<void>
}

/** The gateway's own authority for SSH certificates: it signs, and its key leaves it in no form. */
export interface CertificateAuthority {
  readonly type: string
  /** The bare public key as a wire blob. */
  readonly blob: Uint8Array
  sign(algorithm: string, covered: Uint8Array): Uint8Array
}

export interface Presenting<Target> {
  readonly grant: Grant
  readonly connection: string
  readonly target: Target
  readonly advertised: HostPort
  /** For request doors: `public_url`'s `/c/<connection>`, without a slash at its end. */
  readonly url?: string
  readonly password?: string
  /** PEM of the CA that signed the gateway's certificate, under `tls: auto`. */
  readonly ca?: string
  /** The gateway's SSH host key as `type base64`. */
  readonly hostKey: string
  readonly authority?: CertificateAuthority
  /** Where the rule lets the grant be used from. */
  readonly sources?: readonly string[]
}

export interface Presented {
  readonly endpoint: {
    readonly host: string
    readonly port: number
    readonly url?: string
    readonly database?: string
    readonly ca?: string
    readonly host_key?: string
    /** The authority that certifies the gateway's SSH host key. */
    readonly host_ca?: string
  }
  /** For the grant's public key: opens the grant together with the key, and nothing without it. */
  readonly certificate?: string
  readonly env: Readonly<Record<string, string>>
  readonly connect: string
}

export interface ClientProgram {
  readonly program: string
  /** The client logs in with a key that `postern connect` makes for the purpose, not with the password. */
  readonly wantsKey: boolean
  /** Arguments, environment and files (written 0600 under `folder`) for one run. */
  prepare(at: {
    readonly grant: AnsweredGrant
    readonly folder: string
    readonly keyFile?: string
    readonly args: readonly string[]
  }): {
    readonly args: readonly string[]
    readonly env: Readonly<Record<string, string>>
    readonly files: Readonly<Record<string, string>>
  }
}

/** The part of `POST /v1/grants`' answer that a client program needs. */
export interface AnsweredGrant {
  readonly id: string
  readonly connection: string
  readonly protocol: string
  readonly endpoint: Presented['endpoint']
  readonly env: Readonly<Record<string, string>>
  readonly credential: {
    readonly username: string
    readonly password?: string | undefined
    readonly certificate?: string | undefined
  }
}
