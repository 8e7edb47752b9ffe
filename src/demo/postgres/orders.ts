/** The demo's and the tests' database: orders that may be read, customers and salaries that must not be. */

/** Roles for leases. `app_ro` can do more than its name says: what holds an agent is the scope, not luck with GRANTs. */
export const ordersSql = (passwords: { readonly ro: string; readonly rw: string }): string => `
  create table public.orders (
    id int primary key, customer_id int not null, email text not null, total numeric(10,2) not null, note text);
  insert into public.orders
    select g, g % 500, 'person' || g || '@example.com', g * 1.5, 'note ' || g from generate_series(1, 5000) g;
  create table public.order_items (id int primary key, order_id int not null references public.orders, sku text not null);
  insert into public.order_items select g, g % 5000 + 1, 'sku' || g from generate_series(1, 2000) g;
  create table public.customers (id int primary key, name text not null, ssn text not null);
  insert into public.customers select g, 'customer ' || g, '123-45-' || (1000 + g) from generate_series(1, 500) g;
  create schema hr;
  create table hr.salaries (id int primary key, amount int not null);
  insert into hr.salaries values (1, 99999);
  create view public.order_view as select * from public.orders;
  create function public.peek() returns text language sql security definer
    as 'select ssn from public.customers limit 1';
  create role app_ro login password '${passwords.ro}';
  create role app_rw login password '${passwords.rw}';
  grant usage on schema public, hr to app_ro, app_rw;
  grant create on schema public to app_ro, app_rw;
  grant select, insert, update, delete on all tables in schema public, hr to app_ro, app_rw;
  analyze`
