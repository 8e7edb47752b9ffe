/**
 * Every step the tables ever took, numbered and forward only. A step that has run somewhere is never edited: add one.
 *
 * The statements come from kysely, so one list serves SQLite now and PostgreSQL later; what differs is in {@link Kinds}.
 */
import type { CompiledQuery, Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** Column types that databases name differently. */
export interface Kinds {
  readonly bytes: 'blob' | 'bytea'
}

export interface Migration {
  readonly name: string
  up(sql: Kysely<Tables>, kinds: Kinds): readonly CompiledQuery[]
}

/** The migration's number is its place in this list, from 1. */
export const migrations: readonly Migration[] = [
  {
    name: 'grants, locks, idempotency, approvals, meta',
    up: ({ schema }, { bytes }) => [
      schema
        .createTable('grants')
        .addColumn('id', 'text', c => c.primaryKey())
        .addColumn('owner', 'text', c => c.notNull())
        .addColumn('state', 'text', c => c.notNull())
        .addColumn('connection', 'text', c => c.notNull())
        .addColumn('rule', 'text', c => c.notNull())
        .addColumn('issued_at', 'bigint', c => c.notNull())
        .addColumn('expires_at', 'bigint', c => c.notNull())
        .addColumn('used', 'integer', c => c.notNull())
        .addColumn('document', 'text', c => c.notNull())
        .addColumn('verifier', 'text')
        .addColumn('public_key', bytes)
        .addColumn('decide_by', 'bigint')
        .addColumn('ending', 'text')
        .addColumn('ended_at', 'bigint')
        .compile(),
      schema.createIndex('grants_by_state').on('grants').columns(['state', 'ended_at']).compile(),
      schema.createIndex('grants_by_owner').on('grants').columns(['owner', 'id']).compile(),
      schema
        .createTable('locks')
        .addColumn('id', 'text', c => c.primaryKey())
        .addColumn('fields', 'text', c => c.notNull())
        .addColumn('reason', 'text', c => c.notNull())
        .addColumn('set_at', 'bigint', c => c.notNull())
        .addColumn('expires_at', 'bigint')
        .compile(),
      schema
        .createTable('idempotency')
        .addColumn('owner', 'text', c => c.notNull())
        .addColumn('key', 'text', c => c.notNull())
        .addColumn('request', 'text', c => c.notNull())
        .addColumn('grant_id', 'text', c => c.notNull())
        .addColumn('expires_at', 'bigint', c => c.notNull())
        .addPrimaryKeyConstraint('idempotency_key', ['owner', 'key'])
        .compile(),
      schema
        .createTable('approvals')
        .addColumn('grant_id', 'text', c => c.notNull())
        .addColumn('issuer', 'text', c => c.notNull())
        .addColumn('subject', 'text', c => c.notNull())
        .addColumn('uid', 'text')
        .addColumn('decision', 'text', c => c.notNull())
        .addColumn('note', 'text')
        .addColumn('narrower', 'text', c => c.notNull())
        .addColumn('shown', 'text', c => c.notNull())
        .addColumn('decided_at', 'bigint', c => c.notNull())
        .addPrimaryKeyConstraint('approvals_key', ['grant_id', 'issuer', 'subject', 'decision'])
        .compile(),
      schema
        .createTable('meta')
        .addColumn('name', 'text', c => c.primaryKey())
        .addColumn('value', 'text', c => c.notNull())
        .compile(),
    ],
  },
]
