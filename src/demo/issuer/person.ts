/**
 * A person at a browser, approving a device: opens the verification page, follows redirects and forms, signs in.
 *
 * The device flow has a human in it; the demo plays that human over real HTTP, with real cookies, form by form.
 */
import type { User } from './directory.ts'

/** Ends when a page without a form is reached; `steps` bounds a loop of redirects. */
export async function approveDevice(verificationUri: string, userCode: string, user: User): Promise<void> {
  const cookies = new Map<string, string>()
  const visit = async (url: string, fields?: URLSearchParams): Promise<Response> => {
    const response = await fetch(url, {
      method: fields === undefined ? 'GET' : 'POST',
      ...(fields === undefined ? {} : { body: fields }),
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      signal: AbortSignal.timeout(5000),
    })
    for (const line of response.headers.getSetCookie()) keepCookie(cookies, line)
    return response
  }
  let at = verificationUri
  let response = await visit(at)
  for (let steps = 0; steps < 12; steps++) {
    const next = response.headers.get('location')
    if (next !== null) {
      at = new URL(next, at).href
      response = await visit(at)
      continue
    }
    const html = await response.text()
    if (!response.ok) throw new Error(`sign-in as ${user.login}: ${response.status} ${html.slice(0, 200)}`)
    const form = fieldsOf(html)
    if (form === undefined) return
    for (const [name, value] of Object.entries({
      user_code: userCode,
      login: user.login,
      password: user.password,
    }))
      if (form.fields.has(name)) form.fields.set(name, value)
    at = new URL(form.action ?? at, at).href
    response = await visit(at, form.fields)
  }
  throw new Error(`sign-in as ${user.login} did not come to an end`)
}

function keepCookie(cookies: Map<string, string>, line: string): void {
  const pair = line.split(';', 1)[0] ?? ''
  const equals = pair.indexOf('=')
  const value = pair.slice(equals + 1)
  if (value === '') cookies.delete(pair.slice(0, equals))
  else cookies.set(pair.slice(0, equals), value)
}

function fieldsOf(html: string): { action?: string; fields: URLSearchParams } | undefined {
  const form = /<form[^>]*>/.exec(html)?.[0]
  if (form === undefined) return undefined
  const fields = new URLSearchParams()
  for (const [input] of html.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(input)?.[1]
    if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? '')
  }
  const action = /action="([^"]*)"/.exec(form)?.[1]
  return { fields, ...(action === undefined ? {} : { action }) }
}
