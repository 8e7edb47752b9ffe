import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import {
  functionColumns,
  otherFunctions,
  rowFunctions,
  vettedFunctions,
  vettedOperators,
  vettedTypes,
} from './functions.gen.ts'

test('nothing is both vetted and refused', () => {
  assert.deepEqual(
    [...vettedFunctions].filter(name => otherFunctions.has(name)),
    [],
  )
})

test('every function of every major from 14 to 18 is classified', async () => {
  const lines = (await readFile(new URL('./vectors/functions.txt', import.meta.url), 'utf8'))
    .trim()
    .split('\n')
  const majors = new Map(lines.map(line => [line.split(' ')[0] ?? '', line.split(' ').slice(1)]))
  for (const major of ['14', '15', '16', '17', '18'])
    assert.ok([...majors.values()].filter(of => of.includes(major)).length > 2600, major)
  assert.deepEqual(
    [...majors.keys()].filter(name => vettedFunctions.has(name) === otherFunctions.has(name)),
    [],
  )
  assert.equal(majors.size, vettedFunctions.size + otherFunctions.size)
})

test('what reads files, settings, other tables or the network, runs text as SQL, sleeps or signals is refused', () => {
  const dangerous =
    'pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file pg_ls_waldir pg_hba_file_rules lo_import lo_export lo_get lo_put lo_from_bytea loread lowrite lo_unlink ' +
    'query_to_xml query_to_xmlschema query_to_xml_and_xmlschema table_to_xml schema_to_xml database_to_xml cursor_to_xml ts_stat ts_rewrite set_config current_setting ' +
    'pg_reload_conf pg_terminate_backend pg_cancel_backend pg_switch_wal nextval setval currval lastval pg_advisory_lock pg_notify txid_current pg_current_xact_id ' +
    'pg_sleep pg_sleep_for pg_sleep_until pg_logical_emit_message pg_create_restore_point pg_stat_get_activity pg_show_all_settings pg_get_viewdef pg_get_functiondef pg_relation_size ' +
    'has_table_privilege to_regclass obj_description col_description inet_server_addr inet_client_addr regclass regclassin array_in record_in domain_in enum_in range_in satisfies_hash_partition ' +
    'currtid2 binary_upgrade_set_next_pg_type_oid pg_input_is_valid pg_export_snapshot current_query row_security_active fmgr_c_validator plpgsql_inline_handler pg_promote pg_cursor format_type pg_typeof oidvectortypes regcollationsend'
  assert.deepEqual(
    dangerous.split(' ').filter(name => vettedFunctions.has(name) || !otherFunctions.has(name)),
    [],
  )
})

test('what people compute with is vetted', () => {
  const ordinary =
    'count sum avg min max lower upper length substring btrim replace concat coalesce_is_no_function now date_trunc extract age to_char to_date to_timestamp round abs ceil floor random gen_random_uuid md5 sha256 ' +
    'encode decode array_agg string_agg unnest generate_series row_number rank lag lead ntile jsonb_build_object json_agg jsonb_each row_to_json to_jsonb regexp_replace regexp_matches split_part ' +
    'version current_database current_schemas quote_literal quote_ident format to_tsvector to_tsquery ts_rank width_bucket timezone percentile_cont int4range lower_inc host'
  assert.deepEqual(
    ordinary.split(' ').filter(name => !vettedFunctions.has(name)),
    ['coalesce_is_no_function'],
  )
})

test('the functions that can take a row by attribute notation are known', () => {
  for (const name of [
    'to_json',
    'to_jsonb',
    'row_to_json',
    'json_agg',
    'concat',
    'quote_literal',
    'record_out',
    'hash_record',
  ])
    assert.ok(rowFunctions.has(name), name)
  assert.ok(!rowFunctions.has('lower'))
  assert.deepEqual(functionColumns.get('json_each'), ['key', 'value'])
})

test('types that look names up are not vetted, nor operators nobody built in', () => {
  for (const name of [
    'regclass',
    'regproc',
    'regtype',
    'regrole',
    'regnamespace',
    'regprocedure',
    'regoper',
    'aclitem',
    'refcursor',
    'cstring',
    'internal',
    '_regclass',
    'pg_class',
    'record',
    'anyelement',
    'cardinal_number',
  ])
    assert.ok(!vettedTypes.has(name), name)
  for (const name of ['int4', 'text', 'timestamptz', 'jsonb', 'uuid', 'numeric', 'bytea', 'regconfig'])
    assert.ok(vettedTypes.has(name), name)
  for (const sign of ['=', '<>', '||', '@>', '->>', '~~*']) assert.ok(vettedOperators.has(sign), sign)
  assert.ok(!vettedOperators.has('<<<>>>'))
})
