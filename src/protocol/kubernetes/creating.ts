/**
 * What makes an object that was not there, beside a POST: the API server makes one of a server-side apply, and for some
 * kinds of a PUT. Whoever may only change things would make a privileged pod or a RoleBinding by them. Pure.
 */
import type { Head } from '../http/index.ts'
import type { ResourceRequest } from './request-info.ts'

/** These find what they change, or are answered NotFound. Of any other kind of patch it is not known. */
const changing: ReadonlySet<string | undefined> = new Set([
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
])

/**
 * Kinds whose PUT is answered NotFound where there is nothing, as the API server has it by AllowCreateOnUpdate. Of its own
 * kinds it makes endpoints, events, leases, limitranges, runtimeclasses, services and RBAC's; what an aggregated API does is not
 * known, and a CRD's kinds look like one's.
 */
export const updateOnly: ReadonlySet<string> = new Set([
  ...[
    'configmaps',
    'namespaces',
    'nodes',
    'persistentvolumeclaims',
    'persistentvolumes',
    'pods',
    'podtemplates',
  ],
  ...['replicationcontrollers', 'resourcequotas', 'secrets', 'serviceaccounts'],
  ...[
    'controllerrevisions.apps',
    'daemonsets.apps',
    'deployments.apps',
    'replicasets.apps',
    'statefulsets.apps',
  ],
  ...['cronjobs.batch', 'jobs.batch', 'horizontalpodautoscalers.autoscaling', 'poddisruptionbudgets.policy'],
  ...['ingresses.networking.k8s.io', 'ingressclasses.networking.k8s.io', 'networkpolicies.networking.k8s.io'],
  ...['endpointslices.discovery.k8s.io', 'storageclasses.storage.k8s.io', 'csidrivers.storage.k8s.io'],
  ...['csinodes.storage.k8s.io', 'volumeattachments.storage.k8s.io', 'priorityclasses.scheduling.k8s.io'],
  ...['customresourcedefinitions.apiextensions.k8s.io', 'apiservices.apiregistration.k8s.io'],
  ...[
    'certificatesigningrequests.certificates.k8s.io',
    'validatingadmissionpolicies.admissionregistration.k8s.io',
  ],
  ...['validatingwebhookconfigurations.admissionregistration.k8s.io'],
  ...['mutatingwebhookconfigurations.admissionregistration.k8s.io'],
])

/** What of this request may make an object, in words; undefined where it only changes one, or is a create by its verb. */
export function makes(
  { verb, resource, group, subresource }: ResourceRequest,
  { contentType }: Pick<Head, 'contentType'>,
): string | undefined {
  const changesOnly = updateOnly.has(group === '' ? resource : `${resource}.${group}`)
  if (verb === 'update') return changesOnly ? undefined : `an update of ${resource}`
  if (verb !== 'patch' || changing.has(contentType)) return undefined
  // Below an object an apply is no more than a PUT there: of services/status the API server makes a service by either.
  if (subresource !== undefined && changesOnly) return undefined
  return 'a server-side apply'
}
