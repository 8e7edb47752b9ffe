// The scenario of postgres-matrix.test.ts, by pgx: text and binary, batches, a pool, COPY.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("URL"))
	must(err)
	defer pool.Close()
	c, err := pool.Acquire(ctx)
	must(err)
	defer c.Release()

	var id int
	var total, text string
	must(c.QueryRow(ctx, "select id, total::text from orders where id = $1", 7).Scan(&id, &total))
	fmt.Println("row", id, total)
	must(c.QueryRow(ctx, "select email from orders where id = 7").Scan(&text))
	fmt.Println("masked", text)
	rows, err := c.Query(ctx, "select id, note from orders")
	must(err)
	n := 0
	for rows.Next() {
		n++
	}
	must(rows.Err())
	fmt.Println("rows", n)
	_, err = c.Exec(ctx, "delete from orders")
	var no *pgconn.PgError
	if errors.As(err, &no) {
		fmt.Println("refused", no.Code)
	}
	must(c.QueryRow(ctx, "select 3").Scan(&n))
	fmt.Println("after", n)
	batch := &pgx.Batch{}
	batch.Queue("select $1::int", 1)
	batch.Queue("select $1::int", 2)
	results := c.SendBatch(ctx, batch)
	var a, b int
	must(results.QueryRow().Scan(&a))
	must(results.QueryRow().Scan(&b))
	must(results.Close())
	fmt.Println("batch", a, b)
	tx, err := c.Begin(ctx)
	must(err)
	count, err := tx.CopyFrom(ctx, pgx.Identifier{"order_items"}, []string{"id", "order_id", "sku"},
		pgx.CopyFromRows([][]any{{9001, 1, "a"}, {9002, 1, "b"}}))
	must(err)
	fmt.Println("written", count)
	must(tx.Rollback(ctx))
}
