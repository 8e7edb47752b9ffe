// Made by scripts/catalogue.ts from the catalogues of real servers. Not to be edited.
import type { Listed } from './analysis.ts'

/** What `catalog: true` lets be read. */
export const catalogueRelations: ReadonlySet<string> = new Set(
  ("information_schema.administrable_role_authorizations information_schema.applicable_roles " +
    "information_schema.attributes information_schema.character_sets " +
    "information_schema.check_constraint_routine_usage information_schema.check_constraints " +
    "information_schema.collation_character_set_applicability information_schema.collations " +
    "information_schema.column_column_usage information_schema.column_domain_usage " +
    "information_schema.column_privileges information_schema.column_udt_usage information_schema.columns " +
    "information_schema.constraint_column_usage information_schema.constraint_table_usage " +
    "information_schema.data_type_privileges information_schema.domain_constraints " +
    "information_schema.domain_udt_usage information_schema.domains information_schema.element_types " +
    "information_schema.enabled_roles information_schema.foreign_data_wrappers " +
    "information_schema.foreign_servers information_schema.foreign_tables " +
    "information_schema.information_schema_catalog_name information_schema.key_column_usage " +
    "information_schema.parameters information_schema.referential_constraints " +
    "information_schema.role_column_grants information_schema.role_routine_grants " +
    "information_schema.role_table_grants information_schema.role_udt_grants " +
    "information_schema.role_usage_grants information_schema.routine_column_usage " +
    "information_schema.routine_privileges information_schema.routine_routine_usage " +
    "information_schema.routine_sequence_usage information_schema.routine_table_usage " +
    "information_schema.routines information_schema.schemata information_schema.sequences " +
    "information_schema.sql_features information_schema.sql_implementation_info " +
    "information_schema.sql_parts information_schema.sql_sizing information_schema.table_constraints " +
    "information_schema.table_privileges information_schema.tables information_schema.transforms " +
    "information_schema.triggered_update_columns information_schema.triggers " +
    "information_schema.udt_privileges information_schema.usage_privileges " +
    "information_schema.user_defined_types information_schema.view_column_usage " +
    "information_schema.view_routine_usage information_schema.view_table_usage information_schema.views " +
    "pg_catalog.pg_aggregate pg_catalog.pg_am pg_catalog.pg_amop pg_catalog.pg_amproc " +
    "pg_catalog.pg_attrdef pg_catalog.pg_attribute pg_catalog.pg_auth_members " +
    "pg_catalog.pg_available_extensions pg_catalog.pg_cast pg_catalog.pg_class pg_catalog.pg_collation " +
    "pg_catalog.pg_constraint pg_catalog.pg_conversion pg_catalog.pg_database pg_catalog.pg_default_acl " +
    "pg_catalog.pg_depend pg_catalog.pg_description pg_catalog.pg_enum pg_catalog.pg_event_trigger " +
    "pg_catalog.pg_extension pg_catalog.pg_foreign_data_wrapper pg_catalog.pg_foreign_server " +
    "pg_catalog.pg_foreign_table pg_catalog.pg_group pg_catalog.pg_index pg_catalog.pg_indexes " +
    "pg_catalog.pg_inherits pg_catalog.pg_init_privs pg_catalog.pg_language pg_catalog.pg_matviews " +
    "pg_catalog.pg_namespace pg_catalog.pg_opclass pg_catalog.pg_operator pg_catalog.pg_opfamily " +
    "pg_catalog.pg_partitioned_table pg_catalog.pg_policies pg_catalog.pg_policy pg_catalog.pg_proc " +
    "pg_catalog.pg_publication pg_catalog.pg_publication_namespace pg_catalog.pg_publication_rel " +
    "pg_catalog.pg_publication_tables pg_catalog.pg_range pg_catalog.pg_rewrite pg_catalog.pg_roles " +
    "pg_catalog.pg_rules pg_catalog.pg_sequence pg_catalog.pg_sequences pg_catalog.pg_shdepend " +
    "pg_catalog.pg_shdescription pg_catalog.pg_statistic_ext pg_catalog.pg_tables " +
    "pg_catalog.pg_tablespace pg_catalog.pg_timezone_abbrevs pg_catalog.pg_timezone_names " +
    "pg_catalog.pg_transform pg_catalog.pg_trigger pg_catalog.pg_ts_config pg_catalog.pg_ts_config_map " +
    "pg_catalog.pg_ts_dict pg_catalog.pg_ts_parser pg_catalog.pg_ts_template pg_catalog.pg_type " +
    "pg_catalog.pg_views").split(' '),
)

/** Those of them that have barred columns. */
export const catalogueColumns: Readonly<Record<string, Listed>> = {
  'pg_catalog.pg_attribute': {
    columns: ("tableoid cmax xmax cmin xmin ctid attrelid attname atttypid attstattarget attlen attnum attndims " +
    "attcacheoff atttypmod attbyval attalign attstorage attcompression attnotnull atthasdef atthasmissing " +
    "attidentity attgenerated attisdropped attislocal attinhcount attcollation attacl attoptions " +
    "attfdwoptions").split(' '),
    barred: ["attmissingval"],
  },
  'pg_catalog.pg_proc': {
    columns: ("tableoid cmax xmax cmin xmin ctid oid proname pronamespace proowner prolang procost prorows " +
    "provariadic prosupport prokind prosecdef proleakproof proisstrict proretset provolatile proparallel " +
    "pronargs pronargdefaults prorettype proargtypes proallargtypes proargmodes proargnames " +
    "proargdefaults protrftypes " +
    "proacl").split(' '),
    barred: ["prosrc","probin","prosqlbody","proconfig"],
  },
  'information_schema.routines': {
    columns: ("specific_catalog specific_schema specific_name routine_catalog routine_schema routine_name " +
    "routine_type module_catalog module_schema module_name udt_catalog udt_schema udt_name data_type " +
    "character_maximum_length character_octet_length character_set_catalog character_set_schema " +
    "character_set_name collation_catalog collation_schema collation_name numeric_precision " +
    "numeric_precision_radix numeric_scale datetime_precision interval_type interval_precision " +
    "type_udt_catalog type_udt_schema type_udt_name scope_catalog scope_schema scope_name " +
    "maximum_cardinality dtd_identifier routine_body external_name external_language parameter_style " +
    "is_deterministic sql_data_access is_null_call sql_path schema_level_routine max_dynamic_result_sets " +
    "is_user_defined_cast is_implicitly_invocable security_type to_sql_specific_catalog " +
    "to_sql_specific_schema to_sql_specific_name as_locator created last_altered new_savepoint_level " +
    "is_udt_dependent result_cast_from_data_type result_cast_as_locator result_cast_char_max_length " +
    "result_cast_char_octet_length result_cast_char_set_catalog result_cast_char_set_schema " +
    "result_cast_char_set_name result_cast_collation_catalog result_cast_collation_schema " +
    "result_cast_collation_name result_cast_numeric_precision result_cast_numeric_precision_radix " +
    "result_cast_numeric_scale result_cast_datetime_precision result_cast_interval_type " +
    "result_cast_interval_precision result_cast_type_udt_catalog result_cast_type_udt_schema " +
    "result_cast_type_udt_name result_cast_scope_catalog result_cast_scope_schema result_cast_scope_name " +
    "result_cast_maximum_cardinality " +
    "result_cast_dtd_identifier").split(' '),
    barred: ["routine_definition"],
  },
  'pg_catalog.pg_roles': {
    columns: ("rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication rolconnlimit " +
    "rolvaliduntil rolbypassrls " +
    "oid").split(' '),
    barred: ["rolpassword","rolconfig"],
  },
  'pg_catalog.pg_foreign_data_wrapper': {
    columns: ("tableoid cmax xmax cmin xmin ctid oid fdwname fdwowner fdwhandler fdwvalidator " +
    "fdwacl").split(' '),
    barred: ["fdwoptions"],
  },
  'pg_catalog.pg_foreign_server': {
    columns: ("tableoid cmax xmax cmin xmin ctid oid srvname srvowner srvfdw srvtype srvversion " +
    "srvacl").split(' '),
    barred: ["srvoptions"],
  },
  'pg_catalog.pg_foreign_table': {
    columns: ("tableoid cmax xmax cmin xmin ctid ftrelid " +
    "ftserver").split(' '),
    barred: ["ftoptions"],
  },
  'pg_catalog.pg_tablespace': {
    columns: ("tableoid cmax xmax cmin xmin ctid oid spcname spcowner " +
    "spcacl").split(' '),
    barred: ["spcoptions"],
  },
  'pg_catalog.pg_ts_dict': {
    columns: ("tableoid cmax xmax cmin xmin ctid oid dictname dictnamespace dictowner " +
    "dicttemplate").split(' '),
    barred: ["dictinitoption"],
  },
  'pg_catalog.pg_sequences': {
    columns: ("schemaname sequencename sequenceowner data_type start_value min_value max_value increment_by cycle " +
    "cache_size").split(' '),
    barred: ["last_value"],
  },
}
