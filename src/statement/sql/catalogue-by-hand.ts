/**
 * What of the catalogue a scope with `catalog: true` may read, judged by hand and applied by `scripts/catalogue.ts`:
 * what tells how things are called and built. Nothing that holds what people said (statements, sources), passwords,
 * files, addresses, settings, or values out of tables (attack 86).
 */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

export const catalogueByHand = {
  /** Relations that may be read, but for the columns below. */
  relations: {
    pg_catalog: words(`
      pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_available_extensions pg_cast pg_class pg_collation
      pg_constraint pg_conversion pg_database pg_default_acl pg_depend pg_description pg_enum pg_event_trigger
      pg_extension pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_group pg_index pg_indexes pg_inherits
      pg_init_privs pg_language pg_matviews pg_namespace pg_opclass pg_operator pg_opfamily pg_partitioned_table
      pg_policies pg_policy pg_proc pg_publication pg_publication_namespace pg_publication_rel pg_publication_tables
      pg_range pg_rewrite pg_roles pg_rules pg_sequence pg_sequences pg_shdepend pg_shdescription pg_statistic_ext
      pg_tables pg_tablespace pg_timezone_abbrevs pg_timezone_names pg_transform pg_trigger pg_ts_config
      pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_views`),
    information_schema: words(`
      administrable_role_authorizations applicable_roles attributes character_sets check_constraint_routine_usage
      check_constraints collation_character_set_applicability collations column_column_usage column_domain_usage
      column_privileges column_udt_usage columns constraint_column_usage constraint_table_usage data_type_privileges
      domain_constraints domain_udt_usage domains element_types enabled_roles foreign_data_wrappers foreign_servers
      foreign_tables information_schema_catalog_name key_column_usage parameters referential_constraints
      role_column_grants role_routine_grants role_table_grants role_udt_grants role_usage_grants routine_column_usage
      routine_privileges routine_routine_usage routine_sequence_usage routine_table_usage routines schemata sequences
      sql_features sql_implementation_info sql_parts sql_sizing table_constraints table_privileges tables transforms
      triggered_update_columns triggers udt_privileges usage_privileges user_defined_types view_column_usage
      view_routine_usage view_table_usage views`),
  },

  /** Columns of those that are barred all the same: the rest of the relation can be read by name, not by `*`. */
  columns: {
    // A value out of the table: what rows from before ADD COLUMN hold.
    'pg_catalog.pg_attribute': words('attmissingval'),
    // Sources of functions, and the settings they run with.
    'pg_catalog.pg_proc': words('prosrc probin prosqlbody proconfig'),
    'information_schema.routines': words('routine_definition'),
    // Passwords, addresses, files.
    'pg_catalog.pg_roles': words('rolpassword rolconfig'),
    'pg_catalog.pg_foreign_data_wrapper': words('fdwoptions'),
    'pg_catalog.pg_foreign_server': words('srvoptions'),
    'pg_catalog.pg_foreign_table': words('ftoptions'),
    'pg_catalog.pg_tablespace': words('spcoptions'),
    'pg_catalog.pg_ts_dict': words('dictinitoption'),
    // How far a sequence has come is its value.
    'pg_catalog.pg_sequences': words('last_value'),
  } as Readonly<Record<string, ReadonlySet<string>>>,

  /** Refused, with what they would tell. Every relation of the catalogue is named here or above; a test asks servers. */
  refused: {
    pg_catalog:
      /^pg_(authid|shadow|user|user_mappings?|subscription(_rel)?|db_role_setting|parameter_acl|settings|file_settings|hba_file_rules|ident_file_mappings|config|available_extension_versions|stat_.*|statio_.*|statistic|statistic_ext_data|stats.*|locks|cursors|prepared_(statements|xacts)|largeobject(_metadata)?|replication_.*|seclabels?|shseclabel|shmem_allocations(_numa)?|backend_memory_contexts|aios|wait_events)$/,
    information_schema:
      /^(_pg_.*|column_options|(foreign_data_wrapper|foreign_server|foreign_table|user_mapping)_options|user_mappings)$/,
  },

  /** Functions by which psql, drivers and ORMs read the catalogue: names, types, definitions, privileges, sizes. */
  functions: words(`
    pg_catalog.format_type pg_catalog.pg_typeof pg_catalog.obj_description pg_catalog.col_description pg_catalog.shobj_description
    pg_catalog.pg_get_userbyid pg_catalog.pg_get_expr pg_catalog.pg_get_indexdef pg_catalog.pg_get_constraintdef
    pg_catalog.pg_get_viewdef pg_catalog.pg_get_triggerdef pg_catalog.pg_get_ruledef pg_catalog.pg_get_partkeydef
    pg_catalog.pg_get_partition_constraintdef pg_catalog.pg_get_statisticsobjdef
    pg_catalog.pg_get_statisticsobjdef_columns pg_catalog.pg_get_statisticsobjdef_expressions
    pg_catalog.pg_get_function_arguments pg_catalog.pg_get_function_identity_arguments
    pg_catalog.pg_get_function_result pg_catalog.pg_get_function_arg_default pg_catalog.pg_get_serial_sequence
    pg_catalog.pg_get_keywords pg_catalog.pg_get_replica_identity_index
    pg_catalog.pg_collation_is_visible pg_catalog.pg_conversion_is_visible pg_catalog.pg_function_is_visible
    pg_catalog.pg_opclass_is_visible pg_catalog.pg_operator_is_visible pg_catalog.pg_opfamily_is_visible
    pg_catalog.pg_statistics_obj_is_visible pg_catalog.pg_table_is_visible pg_catalog.pg_ts_config_is_visible
    pg_catalog.pg_ts_dict_is_visible pg_catalog.pg_ts_parser_is_visible pg_catalog.pg_ts_template_is_visible
    pg_catalog.pg_type_is_visible pg_catalog.pg_relation_is_publishable pg_catalog.pg_relation_is_updatable
    pg_catalog.pg_column_is_updatable pg_catalog.pg_partition_ancestors pg_catalog.pg_partition_root
    pg_catalog.pg_partition_tree pg_catalog.pg_relation_size pg_catalog.pg_table_size pg_catalog.pg_indexes_size
    pg_catalog.pg_total_relation_size pg_catalog.pg_size_pretty pg_catalog.pg_encoding_to_char
    pg_catalog.pg_char_to_encoding
    pg_catalog.pg_options_to_table pg_catalog.pg_index_column_has_property pg_catalog.pg_index_has_property
    pg_catalog.pg_indexam_has_property pg_catalog.pg_describe_object pg_catalog.pg_identify_object
    pg_catalog.pg_available_extensions pg_catalog.pg_my_temp_schema pg_catalog.pg_is_other_temp_schema pg_catalog.aclexplode pg_catalog.acldefault
    pg_catalog.has_any_column_privilege pg_catalog.has_column_privilege pg_catalog.has_database_privilege
    pg_catalog.has_function_privilege pg_catalog.has_language_privilege pg_catalog.has_schema_privilege
    pg_catalog.has_sequence_privilege pg_catalog.has_table_privilege pg_catalog.has_type_privilege
    pg_catalog.pg_has_role pg_catalog.row_security_active
    pg_catalog.to_regclass pg_catalog.to_regcollation pg_catalog.to_regnamespace pg_catalog.to_regoper
    pg_catalog.to_regoperator pg_catalog.to_regproc pg_catalog.to_regprocedure pg_catalog.to_regrole
    pg_catalog.to_regtype
    information_schema._pg_expandarray information_schema._pg_char_max_length
    information_schema._pg_char_octet_length information_schema._pg_datetime_precision
    information_schema._pg_index_position information_schema._pg_interval_type
    information_schema._pg_numeric_precision information_schema._pg_numeric_precision_radix
    information_schema._pg_numeric_scale information_schema._pg_truetypid information_schema._pg_truetypmod`),

  /**
   * `(x).n` is a call of n, unless the row x has a column n (attribute notation). These are the columns of what
   * _pg_expandarray gives, which JDBC asks for so.
   */
  fields: words('n x'),

  /** Types whose input looks names up in the catalogue, which may be read then, and the catalogue's own domains. */
  types: words(`
    regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype
    information_schema.cardinal_number information_schema.character_data information_schema.sql_identifier
    information_schema.time_stamp information_schema.yes_or_no`),
} as const
