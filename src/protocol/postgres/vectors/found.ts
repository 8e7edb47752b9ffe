/** What fuzzing has found, kept: each was let through once, or let through wrongly, and is tried first in every run. */
export const found: readonly string[] = [
  // A column's name that is a function of the database's own.
  'select i.evil_item from order_items i',
  'select evil_item.evil_item from order_items evil_item',
  'select s.evil_any from (select 1) s',
  'select i.evil_any from order_items i, orders o',
  'select upper(i.kind) from order_items i',
  'delete from log l where l.evil_any = 1',
  "select 'orders' :: text :: regclass",
  // Operators, casts and checks of the database's own, which no name calls.
  "select 'a'::text + 'b'::text",
  "select id from order_items where kind = 'a'::text",
  "select id from order_items where kind in ('a'::text)",
  "select case kind when 'a'::text then 1 end from order_items",
  "select kind between 'a'::text and 'b'::text from order_items",
  'select kind::int from order_items',
  'select s.k::int4 from (select kind as k from order_items) s',
  'select i::text from order_items i',
  'select (i.*)::text from order_items i',
  'select (array_agg(i)::text[])[1] from order_items i',
  'select length(shade) from shades',
  "select shade || 'x' from shades",
  "select lag(checked, 1, 'y') over () from order_items",
  "select array[checked] = '{y}' from order_items",
  "select coalesce(i, '(1,1,y,y,a,y)') from order_items i",
  'select sum(name) from order_items',
  // Built-in functions whose body casts what it is given.
  'select order_items.quote_literal from order_items',
  'select quote_nullable(i) from order_items i',
  "select i || 'x'::text from order_items i",
]
