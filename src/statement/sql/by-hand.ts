/**
 * What a catalogue's volatility does not say about its functions: judged by hand, applied by `scripts/functions.ts`.
 *
 * A STABLE function may still read files, other tables, settings or the network, run SQL that it is given as text
 * (attack 69), or tell whether a barred name exists. A VOLATILE one may be harmless.
 */

/** Volatile, and harmless all the same. */
export const harmlessVolatile: ReadonlySet<string> = new Set([
  'random',
  'random_normal',
  'clock_timestamp',
  'timeofday',
  'gen_random_uuid',
  'uuidv4',
  'uuidv7',
  'array_sample',
  'array_shuffle',
  // Volatile in 14 alone, where times of day take the zone of the day.
  'timezone',
])

/**
 * No overload that takes or gives one of these is vetted. reg* types look names up in the catalogue, and an expression of one
 * makes them of what stands beside it: `coalesce(pg_typeof(1), 16384::oid)`; `cstring` and
 * `internal` belong to functions that the server alone should call (array_in takes any type's input function);
 * a refcursor opens what it names. regconfig and regdictionary only choose a text search configuration.
 */
export const harmfulTypes =
  /^(reg(?!config|dictionary)[a-z]+|cstring|internal|refcursor|trigger|event_trigger|fdw_handler|index_am_handler|table_am_handler|tsm_handler|language_handler|aclitem|pg_(node_tree|ddl_command|mcv_list|dependencies|ndistinct|brin_[a-z_]+))(\[\])?$/

export const byHand = {
  /** Harmless, though a rule below would refuse them. */
  allowed: new Set(['pg_column_size', 'pg_client_encoding', 'pg_is_in_recovery', 'pg_collation_for']),
  refused: [
    // Everything the server has for its administrators: files, backends, statistics, locks, WAL, definitions.
    /^_?pg_/,
    /^binary_upgrade_/,
    // SQL, or a table's name, given as text.
    /^(query|table|schema|database|cursor)_to_xml/,
    /^ts_(stat|rewrite|debug)$/,
    /^(amvalidate|satisfies_hash_partition|currtid)/,
    // Large objects, sequences, settings, transaction ids, notifications.
    /^(lo_|loread$|lowrite$|lo$)/,
    /^(currval|lastval|nextval|setval)$/,
    /^(current_setting|set_config|setseed)$/,
    /^(txid_|current_query$|row_security_active$)/,
    // Whether a barred thing exists, what it is called, who may use it.
    /^has_[a-z_]*privilege$/,
    /^to_reg/,
    /^(obj|col|shobj)_description$/,
    /^(format_type|oidvectortypes|aclexplode|aclitem|acl|makeaclitem|acldefault)/,
    // Where the server and its clients are.
    /^inet_(client|server)_/,
    // Loads code.
    /^(plpgsql|plperl|pltcl|plpython)|_validator$/,
  ],
  /** Base types that are not vetted: their input looks names up, or they belong to the server's inside. */
  types: new Set([
    'aclitem',
    'refcursor',
    'gtsvector',
    'cstring',
    'internal',
    'tid',
    'xid',
    'cid',
    'txid_snapshot',
  ]),
  /** Looked up in the text search configuration alone. */
  typesToo: new Set(['regconfig', 'regdictionary', 'pg_lsn']),
} as const
