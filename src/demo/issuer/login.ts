/** The stand-in's sign-in page: a login and a password, checked in constant time, and nothing else. */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type Provider from 'oidc-provider'
import type { Directory } from './directory.ts'

const form =
  '<!doctype html><title>Sign in</title><form method="post"><input name="login"><input name="password" type="password"></form>'

export async function signIn(
  provider: Provider,
  directory: Directory,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html')
    response.end(form)
    return
  }
  if (Number(request.headers['content-length'] ?? 0) > 4096) {
    response.writeHead(413).end()
    return
  }
  const given = new URLSearchParams(await text(request))
  const user = directory.users.find(u => u.login === given.get('login'))
  if (user === undefined || !same(user.password, given.get('password') ?? '')) {
    response.writeHead(401, { 'content-type': 'text/html' }).end(form)
    return
  }
  await provider.interactionFinished(request, response, { login: { accountId: user.id } })
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}
