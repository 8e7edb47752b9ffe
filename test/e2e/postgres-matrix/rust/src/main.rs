// The scenario of postgres-matrix.test.ts, by tokio-postgres (plaintext, on loopback).
use tokio_postgres::{Error, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("URL").expect("URL");
    let (mut c, wire) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(wire);
    let row = c.query_one("select id, total::text from orders where id = $1", &[&7]).await?;
    println!("row {} {}", row.get::<_, i32>(0), row.get::<_, String>(1));
    let row = c.query_one("select email from orders where id = 7", &[]).await?;
    println!("masked {}", row.get::<_, String>(0));
    println!("rows {}", c.query("select id, note from orders", &[]).await?.len());
    if let Err(no) = c.execute("delete from orders", &[]).await {
        println!("refused {}", no.code().map_or("", |code| code.code()));
    }
    println!("after {}", c.query_one("select 3", &[]).await?.get::<_, i32>(0));
    // Both are under way before either is answered.
    let (a, b) = tokio::join!(c.query_one("select $1::int", &[&1]), c.query_one("select $1::int", &[&2]));
    println!("batch {} {}", a?.get::<_, i32>(0), b?.get::<_, i32>(0));
    let tx = c.transaction().await?;
    let done = tx.execute("insert into order_items values (9001, 1, 'a'), (9002, 1, $1)", &[&"b"]).await?;
    println!("written {done}");
    tx.rollback().await
}
