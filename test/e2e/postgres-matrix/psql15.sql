\pset fieldsep ' '
prepare of_one(int) as select 'row', id, total from orders where id = $1;
execute of_one(7);
select 'masked', email from orders where id = 7;
\set FETCH_COUNT 500
select id, note from orders \g /dev/null
\echo rows :ROW_COUNT
\unset FETCH_COUNT
delete from orders;
\echo refused :LAST_ERROR_SQLSTATE
select 'after', 3;
select 'batch', 1\; select 2;
begin;
prepare of_two(int, int) as insert into order_items values ($1, 1, 'a'), ($2, 1, 'b');
execute of_two(9001, 9002);
select 'written', count(*) from order_items where id > 9000;
rollback;
