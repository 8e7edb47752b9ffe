/** A real PostgreSQL 18 with the orders database in it, for as long as the demo runs. Needs no system package. */
import { randomBytes } from 'node:crypto'
import type { Home } from './home.ts'
import { embeddedBinaries } from './postgres/binaries.ts'
import { type Cluster, startCluster, unprivileged } from './postgres/cluster.ts'
import { ordersSql } from './postgres/orders.ts'

export interface Orders extends Cluster {
  readonly database: 'orders'
  readonly version: string
  /** The passwords of `app_ro` and `app_rw`: what the gateway leases and nobody else may ever see. */
  readonly passwords: { readonly ro: string; readonly rw: string }
}

export async function startPostgres(home: Home): Promise<Orders> {
  const folder = await home.folder('postgres', 0o755)
  const binaries = await embeddedBinaries(folder, (await unprivileged()) !== undefined)
  return withOrders(await startCluster(home, folder, binaries, { max_connections: 50 }))
}

export async function withOrders(cluster: Cluster): Promise<Orders> {
  const passwords = {
    ro: `ro-${randomBytes(18).toString('base64url')}`,
    rw: `rw-${randomBytes(18).toString('base64url')}`,
  }
  await cluster.run('postgres', 'create database orders')
  await cluster.run('orders', ordersSql(passwords))
  const version =
    String((await cluster.run('orders', 'show server_version')).rows[0]?.server_version).split(' ')[0] ?? ''
  return { ...cluster, database: 'orders', version, passwords }
}
