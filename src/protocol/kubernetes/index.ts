/**
 * Kubernetes: one cluster as one connection, at `/c/<connection>/` (docs/protocols/kubernetes.md), on the machinery of
 * HTTP. Every request is read as the API server reads it, and judged as that.
 */
import type { Verdict } from '../../recording/record.ts'
import {
  type Dialect,
  type Head,
  type HttpUpstream,
  type Passing,
  requestCall,
  serveRequests,
} from '../http/index.ts'
import type { Protocol } from '../protocol.ts'
import { dial, type KubernetesLease, type KubernetesTarget, lease, target } from './dial.ts'
import { streamMessages } from './exec.ts'
import { isMaskedSecret, isTunnel, judgeKubernetes, kindOf } from './guard.ts'
import { minting } from './mint.ts'
import { kubectl, present } from './present.ts'
import { statusObject } from './refuse.ts'
import type { ResourceRequest } from './request-info.ts'
import { type KubernetesLimit, type KubernetesScope, kubernetesScope } from './scope.ts'
import { wholePatch } from './secret-writes.ts'
import { maskSecrets, plainJson } from './secrets.ts'
import { tunnelMessages } from './tunnel.ts'
import { anyJson, wholeEvents } from './watch.ts'

const MiB = 1024 * 1024
/** The API server takes 3 MiB. */
const maxBody = 8 * MiB
/** A watch of a day fits. */
const maxResponse = 1024 * 1024 * MiB

const dialect: Dialect<KubernetesScope> = {
  judge(head, scope) {
    const { verdict, info, path } = judgeKubernetes(scope, head)
    if (!verdict.allow || info.is === 'unreadable') return { verdict }
    const passing: Passing = { path, headers: [], maxBody, maxResponse }
    return {
      verdict,
      passing: info.is === 'path' ? passing : { ...passing, ...resourcePassing(scope, head, info, verdict) },
    }
  },
  refuse: statusObject,
}

function resourcePassing(
  scope: KubernetesScope,
  head: Head,
  info: ResourceRequest,
  { statement }: Verdict,
): Partial<Passing> {
  const kind = kindOf(info)
  if (kind === 'pods/portforward' && isTunnel(head))
    return { messages: tunnelMessages(scope.port_forward, `${info.namespace}/pods/${info.name}`) }
  if (/^pods\/(exec|attach|portforward)$/.test(kind)) {
    const title = (info.query.get('command') ?? [kind]).join(' ').slice(0, 256)
    const tty = /^(1|true)$/.test(info.query.get('tty')?.[0] ?? '')
    return { messages: streamMessages({ title, tty, ports: kind === 'pods/portforward' }) }
  }
  // Whatever is done to a Secret, the answer holds it.
  if (isMaskedSecret(scope, info)) {
    const passing = { set: plainJson, answer: maskSecrets(info.verb) }
    return info.verb === 'patch' ? { ...passing, whole: wholePatch(statement) } : passing
  }
  if (info.verb === 'watch') return { set: anyJson(head.rawHeaders), answer: wholeEvents }
  return {}
}

export const kubernetes: Protocol<
  KubernetesTarget,
  KubernetesLease,
  KubernetesScope,
  KubernetesLimit,
  HttpUpstream
> = {
  name: 'kubernetes',
  requests: true,
  target,
  lease,
  scope: kubernetesScope,
  verifier: 'sha-256',
  serve: (client, door) => serveRequests(client, door, dialect),
  dial,
  minting,
  calls: { request: requestCall(dialect) },
  present,
  client: kubectl,
}
