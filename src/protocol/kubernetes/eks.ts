/**
 * A token for EKS, made without asking anybody: the presigned URL of an STS GetCallerIdentity with the cluster's name
 * among its signed headers, which the cluster asks to learn whose it is (aws-iam-authenticator, "API Authorization from
 * Outside a Cluster"; awscli's `eks get-token`). Pure; tested against botocore.
 */
import { presigned, type SigningKey } from '../http/index.ts'

export interface EksKey extends Omit<SigningKey, 'service'> {
  readonly cluster: string
}

/** EKS takes one for 15 minutes from its date, whatever the URL says; a minute is for clocks that differ. */
export const eksLife = 14 * 60_000
/** What `aws eks get-token` writes into the URL. */
const seconds = 60

export function eksToken({ cluster, ...key }: EksKey, now: number): string {
  const url = presigned(
    {
      host: `sts.${key.region}.amazonaws.com${key.region.startsWith('cn-') ? '.cn' : ''}`,
      query: 'Action=GetCallerIdentity&Version=2011-06-15',
      headers: ['x-k8s-aws-id', cluster],
    },
    { ...key, service: 'sts' },
    seconds,
    now,
  )
  return `k8s-aws-v1.${Buffer.from(url).toString('base64url')}`
}
