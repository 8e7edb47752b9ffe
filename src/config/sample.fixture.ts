/** DESIGN.md section 5, to the letter, less what this version does not have yet (MCP, the console, signals), and http and kubernetes. */
export const sample = `data: ./data                        # state.db, recordings/, audit/, keys/ live here
public_url: https://postern.example.com       # default: listen.http's. Links, RFC 9728 resource and DPoP htu come from it, never from Host
advertise: { postgres: db.example.com:5432, ssh: ssh.example.com:22 }   # default: the listeners'
listen:                             # only what is listed is opened
  http: 127.0.0.1:8600              # agents: API, /c/
  people: 127.0.0.1:8601            # people's calls. Default: the http listener; off loopback it must be its own
  postgres: 127.0.0.1:15432
  ssh: 127.0.0.1:2222
  tls: auto                         # default: a CA and certificate made in data/keys (ca.pem is the CA); or { cert: file:cert.pem, key: file:key.pem }
issuers:                            # ^ on loopback plaintext is taken beside TLS on the same port; off loopback never (insecure: true on \`listen\` for those who end TLS in front)
  okta:
    issuer: https://example.okta.com/oauth2/default   # http:// only for loopback
    audience: api://postern         # or a list; a token needs one of them
    groups_claim: groups            # an exact top-level name wins; else a path, e.g. https://x/claims.groups
    client_groups: { 0oaAgent2: [sre-agents] }        # optional: these clients' groups come from here INSTEAD of the claim (Okta service apps are in no group)
    algorithms: [RS256]             # pinned; none and HS* can never be listed
    clients: [0oaAgent1, 0oaAgent2] # optional: which agents' OAuth clients (cid / client_id / azp) may call
    dpop: optional                  # never | optional | required
    clock_tolerance: 5s
    introspect: never               # never | at_grant | every 60s   (with client_id and client_auth)
connections:
  orders-db:                        # [a-z0-9-], never beginning with g_
    protocol: postgres
    target: { host: 10.0.0.7, port: 5432, database: orders, tls: { mode: verify-full, ca: file:ca.pem } }  # mode: disable | require | verify-full
    lease: { user: app_ro, password: env:ORDERS_PASSWORD }        # env: file: (later vault: aws-sm: ...), or minted
    ceiling: { max_rows: 1000, mask: [{ column: public.orders.email, with: partial }] }   # optional scope that holds for every rule on it
    token_login: true               # default false: a token itself may be shown at the door (section 6)
  web-1:
    protocol: ssh
    target: { host: 10.0.0.5, port: 22, host_key: "ssh-ed25519 AAAA..." }   # pinned (or known_hosts: file:...); there is no trust on first use
    lease: { user: deploy, private_key: file:web-1.key }
scopes:                             # optional names for scopes that several rules share
  read-orders: { protocol: postgres, statements: [select], tables: [public.orders, public.order_items] }
rules:
  - { group: sre-agents, connection: web-1, ttl: 10m, scope: { shell: true, exec: ["*"], sftp: read } }
  - id: analysts-read-orders        # optional; default group:connection; ids are unique
    issuer: okta                    # needed as soon as there are two issuers
    group: analyst-agents
    connection: orders-db
    ttl: 15m                        # at most 8h
    scope: read-orders              # a name, or in place:
    # scope: { statements: [select], tables: [public.orders], functions: [my_schema.safe_fn], max_rows: 1000, mask: [{ column: public.orders.email, with: partial }] }
    require: [reason, task]         # optional: what a request must state; both (capped) go into grant, audit and recording
    sessions: { at_once: 10, total: 1 }               # optional; total: 1 is a grant for one use
    use_within: 5m                  # optional: unused by then, it ends
    approval: { group: dba, count: 1, within: 10m }   # optional
    when: { clients: [0oaAgent1], source: [10.0.0.0/8], hours: "Mon-Fri 08:00-18:00 Europe/Berlin" }   # optional
limits: { grants: 16, requests_per_second: 50 }       # per owner: grants live or pending; API requests
people: { clients: [0oaConsole, 0oaCli], operators: [postern-operators], auditors: [postern-auditors] }   # needed for people's calls and approvals; these clients never get grants
`
