/**
 * JSON Schema of postern.yaml, for editors: from the schema that judges the file, joined with the protocols' own.
 *
 * It says what can be said of one place at a time; what places say of each other, `postern check` tells.
 */
import { z } from 'zod'
import { type ConfigProtocols, configSchema } from './schema.ts'

type Json = Record<string, unknown>

export function jsonSchema(protocols: ConfigProtocols): Json {
  // By name, so that the order of the registry changes nothing.
  const each = [...protocols.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const schema = plain(configSchema(each))
  entriesOf(schema, 'connections')['additionalProperties'] = {
    oneOf: each.map(({ name, target, lease, scope }) => ({
      type: 'object',
      properties: {
        protocol: { const: name },
        target: plain(target),
        lease: plain(lease),
        ceiling: plain(scope.limit),
        token_login: { type: 'boolean', default: false },
      },
      required: ['protocol', 'target', 'lease'],
      additionalProperties: false,
    })),
  }
  entriesOf(schema, 'scopes')['additionalProperties'] = {
    oneOf: each.map(protocol => named(plain(protocol.scope.schema), protocol.name)),
  }
  const rule = at(at(schema, 'properties', 'rules'), 'items')
  at(rule, 'properties')['scope'] = {
    anyOf: [{ type: 'string' }, ...each.map(({ scope }) => plain(scope.schema))],
  }
  rule['required'] = ['group', 'connection', 'ttl', 'scope']
  return { ...schema, title: 'postern.yaml' }
}

function plain(schema: z.ZodType): Json {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: keepOpen,
  }) as Json
  const { $schema, ...rest } = json
  return rest
}

/** `key:` with nothing under it is an empty map or list: nullish sections are written as what they hold. */
function keepOpen({ jsonSchema: json }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  const [first, second, ...more] = json.anyOf ?? []
  // What has no type of its own, such as a number or a text, stays one of several.
  if (typeof first?.type !== 'string' || second?.type !== 'null' || more.length > 0) return
  delete json.anyOf
  Object.assign(json, first, { type: [first.type, 'null'] })
}

function entriesOf(schema: Json, section: string): Json {
  return at(schema, 'properties', section)
}

function named(scope: Json, protocol: string): Json {
  return {
    ...scope,
    properties: { protocol: { const: protocol }, ...at(scope, 'properties') },
    required: ['protocol', ...((scope['required'] as string[]) ?? [])],
  }
}

function at(json: Json, ...path: readonly string[]): Json {
  const found = path.reduce<unknown>((part, key) => (part as Json | undefined)?.[key], json)
  if (found === undefined) throw new TypeError(`the schema has no ${path.join('.')}`)
  return found as Json
}
