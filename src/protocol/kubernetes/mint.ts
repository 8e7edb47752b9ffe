/**
 * A token for one session (docs/adr/0007): TokenRequest for the service account that the lease names, bound to a Secret
 * that holds nothing and is deleted with the session. So the cluster's own RBAC holds what the account may, and the token
 * is dead when the session is, ten minutes at least as it would have lived by itself.
 *
 * What a crash leaves is the Secret, labelled as this gateway's: the sweep deletes it, and the token dies with it.
 */
import { type Leased, Secret } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { HttpUpstream } from '../http/index.ts'
import type { Dialling, Minted, Minting, Sweeping } from '../protocol.ts'
import { ask } from './ask.ts'
import { type KubernetesLease, type KubernetesTarget, openCluster } from './dial.ts'
import type { KubernetesScope } from './scope.ts'

/** How long unmaking one may take. Longer is the sweep's affair. */
const patience = 10_000
/** The least that a TokenRequest takes, in seconds. */
const shortest = 600
const gatewayLabel = 'postern.dev/gateway'
const sessionLabel = 'postern.dev/session'

/** What the caller reads: what is missing in the cluster is the operators' business, and in the audit. */
const say = 'the cluster could not be prepared for this session; the operators can see why'

export const minting: Minting<KubernetesTarget, KubernetesLease, KubernetesScope> = {
  wanted: lease => 'minted' in lease,
  mint,
  sweep,
}

type MintedLease = Extract<Leased<KubernetesLease>, { minted: true }>
type At = Dialling<KubernetesTarget, KubernetesLease, KubernetesScope> & { readonly gateway: string }

async function mint(at: At): Promise<Minted<KubernetesLease> | Refused> {
  const lease = mintedLease(at.lease)
  const [namespace = '', account = ''] = lease.service_account.split('/')
  const secrets = `/api/v1/namespaces/${namespace}/secrets`
  const admin = await openCluster({ target: at.target, lease: lease.admin, signal: at.signal })
  if (admin instanceof Refused) return told(admin)
  await using _closing = admin
  const labels = { [gatewayLabel]: at.gateway, [sessionLabel]: at.session }
  const anchor = await ask(admin, 'POST', secrets, at.signal, {
    metadata: { generateName: 'postern-', labels },
    immutable: true,
  })
  if (anchor instanceof Refused) return told(anchor)
  const { name, uid } = (anchor['metadata'] ?? {}) as { name?: unknown; uid?: unknown }
  if (typeof name !== 'string' || typeof uid !== 'string') return told(refuse('upstream_refused', 'no name'))
  const release = async () => {
    const signal = AbortSignal.timeout(patience)
    const gone = await asAdmin(at.target, lease, signal, one => remove(one, `${secrets}/${name}`, signal))
    if (gone instanceof Refused)
      throw new Error(`Secret ${name} is left for the sweep: ${gone.denial.detail}`)
  }
  const left = Math.ceil((at.grant.expiresAt - Date.now()) / 1000)
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`
  const made = await ask(admin, 'POST', path, at.signal, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      expirationSeconds: Math.max(shortest, left),
      boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name, uid },
    },
  })
  const token = made instanceof Refused ? undefined : (made['status'] as { token?: unknown })?.token
  if (typeof token === 'string' && !at.signal.aborted)
    return { lease: { bearer: new Secret(token) }, release }
  await release().catch(() => undefined)
  return told(made instanceof Refused ? made : refuse('upstream_refused', 'no token in time'))
}

async function sweep(at: Sweeping<KubernetesTarget, KubernetesLease>): Promise<readonly string[] | Refused> {
  const lease = mintedLease(at.lease)
  const secrets = `/api/v1/namespaces/${lease.service_account.split('/')[0]}/secrets`
  const swept: string[] = []
  const done = await asAdmin(at.target, lease, at.signal, async admin => {
    const query = `labelSelector=${encodeURIComponent(`${gatewayLabel}=${at.gateway}`)}`
    const list = await ask(admin, 'GET', `${secrets}?${query}`, at.signal)
    if (list instanceof Refused) return list
    for (const { metadata } of (list['items'] ?? []) as Listed[]) {
      const session = metadata.labels[sessionLabel]
      if (session === undefined || at.isLive(session)) continue
      const gone = await remove(admin, `${secrets}/${metadata.name}`, at.signal)
      if (gone instanceof Refused) return gone
      swept.push(session)
    }
    return undefined
  })
  return done instanceof Refused ? done : swept
}

interface Listed {
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
}

async function asAdmin(
  target: KubernetesTarget,
  { admin: lease }: MintedLease,
  signal: AbortSignal,
  work: (admin: HttpUpstream) => Promise<Refused | undefined>,
): Promise<Refused | undefined> {
  const admin = await openCluster({ target, lease, signal })
  if (admin instanceof Refused) return told(admin)
  await using _closing = admin
  const failed = await work(admin)
  return failed && told(failed)
}

async function remove(admin: HttpUpstream, path: string, signal: AbortSignal): Promise<Refused | undefined> {
  const gone = await ask(admin, 'DELETE', path, signal)
  return gone instanceof Refused && gone.denial.facts?.['status'] !== 404 ? gone : undefined
}

function mintedLease(lease: Leased<KubernetesLease>): MintedLease {
  if (!('minted' in lease)) throw new TypeError('this lease makes no tokens')
  return lease
}

/** The same refusal with the operators told that it was about the token, and the caller told nothing of it. */
function told({ denial: { code, detail } }: Refused): Refused {
  return refuse(code, `no token for this session: ${detail}`, { say })
}
