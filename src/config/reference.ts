/**
 * References in postern.yaml: `env:NAME` and `file:path` for secrets, `file:path` for files that hold none.
 *
 * Trusts nothing: what is not a reference is refused without being printed, for it may be the secret itself (attack 204).
 * The loader has made every `file:` path absolute before a schema sees it; a relative one here is a defect and refused.
 */
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { SecretRef } from './secret.ts'

/** An environment variable's name, or the rest of a reference; short, so that no pattern runs over a megabyte. */
const variable = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
const later = ['vault:', 'aws-sm:', 'gcp-sm:', 'azure-kv:']

/** `env:NAME` or `file:path` for a secret. Gives a {@link SecretRef}: named, not read. */
export const secretRef = z
  .string({ error: 'a secret is a reference: env:NAME or file:path' })
  .transform((text, at): SecretRef => {
    const wrong = secretProblem(text)
    if (wrong === undefined) return new SecretRef(text)
    at.addIssue({ code: 'custom', message: wrong, input: undefined })
    return z.NEVER
  })
  .meta({
    description: 'A reference to a secret, env:NAME or file:path. Never the secret itself.',
    pattern: '^(env|file):.+$',
  })

/** `file:path` for a file without a secret: a CA, known hosts. Gives the absolute path. */
export const filePath = z
  .string({ error: 'a file is a reference: file:path' })
  .transform((text, at): string => {
    const wrong = text.startsWith('file:') ? fileProblem(text) : 'a file is a reference: file:path'
    if (wrong === undefined) return text.slice('file:'.length)
    at.addIssue({ code: 'custom', message: wrong, input: undefined })
    return z.NEVER
  })
  .meta({ description: 'A file, as file:path; relative to this configuration file.', pattern: '^file:.+$' })

function secretProblem(text: string): string | undefined {
  if (text.startsWith('file:')) return fileProblem(text)
  if (text.startsWith('env:')) {
    return variable.test(text.slice('env:'.length))
      ? undefined
      : 'env: needs the name of an environment variable, such as env:DB_PASSWORD'
  }
  const scheme = later.find(one => text.startsWith(one))
  if (scheme !== undefined)
    return `${scheme} references are not available yet in this version; use env:NAME or file:path`
  return 'a secret is never written here: put it elsewhere and refer to it as env:NAME or file:path'
}

function fileProblem(text: string): string | undefined {
  const path = text.slice('file:'.length)
  if (path === '') return 'file: needs a path'
  if (path.includes('\0') || path.length > 4096) return 'this is not a path'
  return isAbsolute(path) ? undefined : 'the path is not absolute'
}
