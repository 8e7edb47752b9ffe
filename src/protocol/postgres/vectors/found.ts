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
]
