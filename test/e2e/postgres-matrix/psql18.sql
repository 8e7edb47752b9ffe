\pset fieldsep ' '
select 'row', id, total from orders where id = $1 \bind 7 \g
select 'masked', email from orders where id = 7;
\set FETCH_COUNT 500
select id, note from orders \g /dev/null
\echo rows :ROW_COUNT
\unset FETCH_COUNT
delete from orders;
\echo refused :LAST_ERROR_SQLSTATE
select 'after', 3;
\startpipeline
select 'batch', $1 \bind 1 \sendpipeline
select $1 \bind 2 \sendpipeline
\endpipeline
begin;
insert into order_items values ($1, 1, 'a'), ($2, 1, 'b') \bind 9001 9002 \g
select 'written', count(*) from order_items where id > 9000;
rollback;
