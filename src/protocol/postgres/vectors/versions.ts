/**
 * Statements that the parser reads as words of the grammar, and that servers older than `since` read as names: of functions
 * of the database's own, or of the masked column `public.people.system_user`.
 */

export interface NewerCase {
  readonly since: 16 | 17
  readonly sql: string
}

const since = (major: NewerCase['since'], ...statements: readonly string[]): readonly NewerCase[] =>
  statements.map(sql => ({ since: major, sql }))

export const newerForms: readonly NewerCase[] = [
  ...since(
    16,
    'select system_user',
    'select * from system_user',
    'select u.* from system_user u',
    "select lower(system_user), system_user || 'x' from people",
    'select id from people order by system_user',
    'select id from people p where system_user is not null',
    'select (select system_user) from people',
    'select p.id, s.* from people p, lateral (select system_user) s',
    "select json_array('a', 'b')",
    'select json_array()',
    'select json_object()',
    'select json_arrayagg(id) from people',
    "select json_arrayagg(id) filter (where id > 1) from people having json_arrayagg(id) is not null",
    'select id from people order by json_array(id)::text',
    'select * from (values (json_array(1))) v',
    "select '{}' is json",
    'select json_array(select id from people)',
    "select json_object('a': 1), json_objectagg('a' value id) from people",
  ),
  ...since(
    17,
    "select json_value('1', '$')",
    "select json_query('1', '$')",
    "select json_exists('1', '$')",
    "select json_scalar('a')",
    "select json_serialize('{}')",
    "select json('{}')",
    'select JSON_SCALAR(id) from people',
    "select id from people where json_exists('{}', '$.a')",
    "select id from people order by json_value('{}', '$.a')",
    "select p.id, s.* from people p, lateral (select json_scalar(p.id)) s",
    "select count(*) from people group by json_scalar(id)::text",
    "select t.a from json_table(jsonb '[{\"a\": 1}]', '$[*]' columns (a int path '$.a')) as t",
  ),
]

/** The database's own, under names that only newer servers have words or functions for. */
export const namesakes = `
  create function public.json_value(text, text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_query(text, text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_exists(text, text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_scalar(text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_scalar(int) returns text language sql as $$ select 'namesake' $$;
  create function public.json_serialize(text) returns text language sql as $$ select 'namesake' $$;
  create function public.json(text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_array() returns text language sql as $$ select 'namesake' $$;
  create function public.json_array(int) returns text language sql as $$ select 'namesake' $$;
  create function public.json_array(text, text) returns text language sql as $$ select 'namesake' $$;
  create function public.json_object() returns text language sql as $$ select 'namesake' $$;
  create function public.json_arrayagg(int) returns text language sql as $$ select 'namesake' $$;
  create function public.merge_action() returns text language sql as $$ select 'namesake' $$;
  create function public.uuidv7() returns text language sql as $$ select 'namesake' $$;`
