/**
 * Scopes that somebody has written already, for APIs that many have: `scope: { preset: github-read, paths: [...] }`. What
 * else stands in the scope holds beside it, so a preset is only ever narrowed (docs/adr/0015). Data: the paths are below the
 * url that the comment names, and every entry has requests in `presets.test.ts` that it must allow and must refuse.
 */

export interface Preset {
  readonly methods: readonly string[]
  readonly paths: readonly string[]
  readonly headers?: readonly string[]
  readonly query?: readonly string[]
  readonly content_types?: readonly string[]
  readonly graphql?: { readonly operations: readonly 'query'[]; readonly fields: readonly string[] }
}

const json = ['application/json']

export const presets = {
  /** https://api.github.com */
  'github-read': {
    methods: ['GET', 'HEAD'],
    paths: ['/repos/**', '/orgs/**', '/users/**', '/user', '/search/**', '/rate_limit'],
    headers: ['x-github-api-version'],
  },
  /** https://api.github.com. Not `node`, which leads to whatever has an id. */
  'github-graphql-read': {
    methods: ['POST'],
    paths: ['/graphql'],
    content_types: json,
    graphql: {
      operations: ['query'],
      fields: ['viewer', 'repository', 'repositoryOwner', 'organization', 'user', 'search', 'rateLimit'],
    },
  },
  /** https://slack.com/api. Not `token`, which Slack would take in place of the lease. */
  'slack-read': {
    methods: ['GET'],
    paths: [
      ...['/auth.test', '/conversations.list', '/conversations.info', '/conversations.history'],
      ...['/conversations.replies', '/conversations.members', '/users.list', '/users.info', '/team.info'],
    ],
    query: [
      ...[
        'channel',
        'cursor',
        'exclude_archived',
        'inclusive',
        'latest',
        'limit',
        'oldest',
        'ts',
        'types',
        'user',
      ],
    ],
  },
  /** https://slack.com/api */
  'slack-post': { methods: ['POST'], paths: ['/chat.postMessage'], query: [], content_types: json },
  /** https://api.openai.com/v1, and the many that speak as it does. */
  'openai-chat': {
    methods: ['GET', 'POST'],
    paths: ['/chat/completions', '/responses', '/embeddings', '/models', '/models/*'],
    query: [],
    content_types: json,
  },
  /** https://api.anthropic.com/v1 */
  'anthropic-messages': {
    methods: ['GET', 'POST'],
    paths: ['/messages', '/messages/count_tokens', '/models', '/models/*'],
    headers: ['anthropic-version', 'anthropic-beta'],
    query: ['after_id', 'before_id', 'limit'],
    content_types: json,
  },
  /** A server's own url. POST only asks there: long queries do not fit a line. */
  'prometheus-read': {
    methods: ['GET', 'POST'],
    paths: [
      ...[
        '/api/v1/query',
        '/api/v1/query_range',
        '/api/v1/query_exemplars',
        '/api/v1/series',
        '/api/v1/labels',
      ],
      ...['/api/v1/label/*/values', '/api/v1/metadata', '/api/v1/rules', '/api/v1/alerts', '/api/v1/targets'],
      '/api/v1/status/buildinfo',
    ],
    content_types: ['application/x-www-form-urlencoded'],
  },
  /** A cluster's own url. Only what POST cannot change: documents by their id are another preset. */
  'elasticsearch-search': {
    methods: ['GET', 'POST'],
    paths: ['/*/_search', '/*/_count', '/*/_field_caps'],
    content_types: json,
  },
  'elasticsearch-read': {
    methods: ['GET', 'HEAD'],
    paths: [
      '/*/_doc/*',
      '/*/_source/*',
      '/*/_mapping',
      '/_cat/indices',
      '/_cat/indices/*',
      '/_cluster/health',
    ],
  },
  /** A server's own url. ClickHouse runs a GET with readonly=1; any setting could be a parameter, so few are let through. */
  'clickhouse-read': {
    methods: ['GET'],
    paths: ['/', '/ping'],
    query: [
      'query',
      'database',
      'default_format',
      'query_id',
      'param_*',
      'max_result_rows',
      'max_execution_time',
    ],
  },
} as const satisfies Readonly<Record<string, Preset>>

export const presetNames = Object.keys(presets) as [keyof typeof presets, ...(keyof typeof presets)[]]
