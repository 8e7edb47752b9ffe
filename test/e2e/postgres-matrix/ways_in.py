"""libpq's ways in, one a line of WAYS; and in each a cancel, which clients take to be over when its connection has ended."""
import os, threading, psycopg

for way in os.environ["WAYS"].split("\n"):
    with psycopg.connect(os.environ["URL"] + way, autocommit=True) as c:
        for _ in range(20):
            c.cancel_safe(timeout=5)
            c.execute("select pg_sleep(0.005)")
        late = threading.Timer(0.3, lambda: c.cancel_safe(timeout=5))
        late.start()
        try:
            c.execute("select pg_sleep(60)")
            ended = "by itself"
        except psycopg.errors.QueryCanceled:
            ended = "cancelled"
        late.join()
        tls = "TLS" if c.pgconn.ssl_in_use else "clear"
        print(way, tls, c.info.full_protocol_version, ended, c.execute("select 4").fetchone()[0])
