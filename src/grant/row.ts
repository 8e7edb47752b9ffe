/** A grant as it lies in the store, and back. What no query asks for is one JSON document. */

import { ownerKey } from '../owner.ts'
import type { GrantRow } from '../store/tables.ts'
import type { Grant, Millis } from '../words.ts'
import { type Verifier, type VerifierKind, verifierFromText, verifierToText } from './verifier.ts'

/** A grant and what only its door may see. */
export interface Stored {
  readonly grant: Grant
  /** How its password is kept, once it has one. */
  readonly kind: VerifierKind
  readonly verifier?: Verifier
  readonly publicKey?: Uint8Array
  readonly endedAt?: Millis
}

type Document = Omit<
  Grant,
  'id' | 'state' | 'connection' | 'rule' | 'issuedAt' | 'expiresAt' | 'used' | 'decideBy' | 'ending'
> & { readonly kind: VerifierKind }

export function toRow({ grant, kind, verifier, publicKey, endedAt }: Stored): GrantRow {
  const { id, state, connection, rule, issuedAt, expiresAt, used, decideBy, ending, ...document } = grant
  return {
    id,
    owner: ownerKey(grant.owner),
    state,
    connection,
    rule,
    issued_at: issuedAt,
    expires_at: expiresAt,
    used,
    document: JSON.stringify({ ...document, kind } satisfies Document),
    verifier: verifier === undefined ? null : verifierToText(verifier),
    public_key: publicKey ?? null,
    decide_by: decideBy ?? null,
    ending: ending ?? null,
    ended_at: endedAt ?? null,
  }
}

export function fromRow(row: GrantRow): Stored {
  const { kind, ...document } = JSON.parse(row.document) as Document
  return {
    kind,
    grant: {
      ...document,
      id: row.id,
      state: row.state,
      connection: row.connection,
      rule: row.rule,
      issuedAt: row.issued_at,
      expiresAt: row.expires_at,
      used: row.used,
      ...(row.decide_by === null ? {} : { decideBy: row.decide_by }),
      ...(row.ending === null ? {} : { ending: row.ending }),
    },
    ...(row.verifier === null ? {} : { verifier: verifierFromText(row.verifier) }),
    ...(row.public_key === null ? {} : { publicKey: row.public_key }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
  }
}
