/**
 * `oidc-provider`, set up to stand where an Okta custom authorization server stands: its paths, its two grants that
 * agents use (client credentials and the device flow), its tokens, real RS256 keys.
 */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import Provider, { type Configuration, interactionPolicy } from 'oidc-provider'
import type { Directory } from './directory.ts'
import { Memory } from './memory.ts'
import { asOkta } from './okta.ts'

const seconds = { token: 3600, device: 600, session: 3600 }

export function makeProvider(issuer: string, audience: string, directory: Directory): Provider {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const policy = interactionPolicy.base()
  policy.remove('consent')
  const configuration: Configuration = {
    adapter: Memory,
    jwks: { keys: [{ ...key, kid: randomUUID(), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: ['openid', 'postern'],
    clients: directory.apps.map(app => ({
      client_id: app.id,
      client_secret: app.secret,
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types:
        app.kind === 'service' ? ['client_credentials'] : ['urn:ietf:params:oauth:grant-type:device_code'],
      redirect_uris: [],
      response_types: [],
    })),
    routes: {
      jwks: '/v1/keys',
      token: '/v1/token',
      device_authorization: '/v1/device/authorize',
      code_verification: '/activate',
      authorization: '/v1/authorize',
    },
    ttl: {
      AccessToken: seconds.token,
      ClientCredentials: seconds.token,
      DeviceCode: seconds.device,
      Grant: seconds.session,
      IdToken: seconds.token,
      Interaction: seconds.device,
      Session: seconds.session,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form) => page(ctx, form),
        userCodeConfirmSource: (ctx, form) => page(ctx, form),
        successSource: ctx => page(ctx, 'Signed in. The device has its token.'),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'postern',
          audience,
          accessTokenTTL: seconds.token,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: { customizers: { jwt: (_ctx, token, parts) => asOkta(token, parts, directory) } },
    findAccount: (_ctx, id) =>
      directory.users.some(user => user.id === id)
        ? { accountId: id, claims: () => ({ sub: id }) }
        : undefined,
    // Consent is the administrator's in a workforce organisation: whoever signs in has given it.
    loadExistingGrant: async ctx => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client?.clientId ?? '',
        accountId: ctx.oidc.session?.accountId ?? '',
      })
      grant.addOIDCScope('openid')
      grant.addResourceScope(audience, 'postern')
      await grant.save()
      return grant
    },
    interactions: { policy, url: (_ctx, interaction) => `${issuer}/login/${interaction.uid}` },
    renderError: (ctx, out) => page(ctx, `${out.error}: ${out.error_description ?? ''}`),
  }
  return new Provider(issuer, configuration)
}

function page(ctx: { type: string; body: unknown }, body: string): void {
  ctx.type = 'html'
  ctx.body = `<!doctype html><title>Okta stand-in</title>${body}`
}
