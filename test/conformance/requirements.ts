/**
 * What Postern promises and what the standards demand of it, each with the tests that prove it. `coverage.test.ts` fails when
 * a requirement has no test or a named one is gone. `proof`: file, then the beginning of the test's name.
 */
export interface Requirement {
  readonly id: string
  /** A section of DESIGN.md, or the standard and its section. */
  readonly source: string
  readonly says: string
  readonly proof: readonly (readonly [file: string, test: string])[]
}

const attack = (name: string) => `test/attack/${name}.test.ts`
const chaos = (name: string) => `test/chaos/${name}.test.ts`

const invariants: readonly Requirement[] = [
  {
    id: 'I1.request',
    source: 'invariant 1',
    says: 'No request an agent can make changes policy, connections or locks',
    proof: [
      [attack('grants'), 'the compromised agent, who knows the source'],
      [attack('api'), "M171: an agent at people's calls"],
    ],
  },
  {
    id: 'I1.person',
    source: 'invariant 1',
    says: 'Only a person, by client and not by group alone, may approve, cut or lock',
    proof: [
      [attack('api'), 'M171: a person without the group'],
      [attack('grants'), 'G58, N214: a pending grant opens nothing'],
    ],
  },
  {
    id: 'I1.files',
    source: 'invariant 1',
    says: 'serve refuses while another user can change its files or read its secrets',
    proof: [
      ['src/config/trusted.test.ts', 'what another user could change is not taken'],
      ['src/config/permissions.test.ts', "another user's file or folder is refused"],
      [attack('leak'), 'I1: data/ and each private key'],
    ],
  },
  {
    id: 'I2.one',
    source: 'invariant 2',
    says: 'A grant names exactly one connection; wildcards are a configuration error',
    proof: [
      [attack('grants'), 'G56, G57'],
      [attack('grants'), 'G44: a credential at the door of another protocol'],
      ['src/policy/request.test.ts', 'attack 56'],
    ],
  },
  {
    id: 'I3.narrow',
    source: 'invariant 3',
    says: 'Ceiling and rule and request must all allow; nothing later widens',
    proof: [
      ['src/policy/decide.property.test.ts', 'a permit is within the ceiling, its rule and the request'],
      [attack('grants'), 'G52, G53'],
      [chaos('reload'), 'I9: a reload that changes nothing'],
    ],
  },
  {
    id: 'I3.never-united',
    source: 'invariant 3',
    says: 'Several rules for one connection are never united',
    proof: [
      [attack('grants'), 'G55: two rules for one connection'],
      ['src/policy/decide.test.ts', 'attack 55'],
    ],
  },
  {
    id: 'I4.deny',
    source: 'invariant 4',
    says: "No rule, unknown message or unparsable statement: refused, in the protocol's own form",
    proof: [
      ['src/policy/decide.test.ts', 'an empty policy refuses everything'],
      [attack('sql'), 'Q102: a NUL, bad UTF-8'],
      [attack('wire'), 'Q96: unknown messages'],
    ],
  },
  {
    id: 'I4.recorder',
    source: 'invariant 4',
    says: 'An unreachable recorder refuses',
    proof: [
      [chaos('disk'), 'I7: on a full disk'],
      ['src/recording/recorder.test.ts', 'a recording that cannot be opened is refused'],
    ],
  },
  {
    id: 'I5.infrastructure',
    source: 'invariant 5',
    says: 'Infrastructure secrets appear in no byte sent, logged, recorded or answered',
    proof: [
      [attack('leak'), 'I5: after a busy run'],
      [attack('wire'), 'Q: the SQL door repeats neither the lease'],
    ],
  },
  {
    id: 'I5.redaction',
    source: 'invariant 5',
    says: 'Leases, grant passwords, JWTs and SQL PASSWORD literals become a mark with their length, also split across chunks',
    proof: [
      [attack('leak'), 'I5: what was put in place of a secret'],
      ['src/recording/redact.test.ts', 'a stream that is split anywhere'],
    ],
  },
  {
    id: 'I6.time',
    source: 'invariant 6',
    says: 'At expiry, end, lock or revocation every session is cut within a second and told why',
    proof: [
      ['test/e2e/cut.test.ts', 'at expiry a running query and a running command are gone'],
      [attack('grants'), 'G51: a grant ends with the token'],
      [attack('ssh'), 'S122: a master connection ends with its grant'],
    ],
  },
  {
    id: 'I6.upstream',
    source: 'invariant 6',
    says: 'What runs upstream is cancelled and both sides close',
    proof: [
      ['test/e2e/cut.test.ts', 'a running query is gone from the server'],
      ['test/e2e/cut.test.ts', 'a running command is gone from the host'],
    ],
  },
  {
    id: 'I6.drain',
    source: 'invariant 6',
    says: 'SIGTERM cuts and drains',
    proof: [['test/e2e/cut.test.ts', 'at SIGTERM the gateway drains']],
  },
  {
    id: 'I6.race',
    source: 'invariant 6',
    says: 'A grant revoked while it is redeemed or dialled leaves no session',
    proof: [
      [attack('grants'), 'G47, G63'],
      ['src/grant/races.test.ts', 'redeem and revoke at the same instant'],
      [chaos('reload'), 'C49: rules that go away'],
    ],
  },
  {
    id: 'I7.before',
    source: 'invariant 7',
    says: 'A statement reaches the infrastructure only after its record was written',
    proof: [
      [chaos('disk'), 'I7: on a full disk'],
      [
        'src/recording/recorder.test.ts',
        'a record that cannot be written is thrown before anything is relayed',
      ],
    ],
  },
  {
    id: 'I8.chain',
    source: 'invariant 8',
    says: 'Nothing sealed can be altered, dropped or reordered unseen',
    proof: [
      ['src/ledger/verify.test.ts', 'every flipped bit of every byte is found'],
      ['src/ledger/verify.test.ts', 'a line taken out, put in, doubled or swapped'],
      ['src/ledger/verify.test.ts', 'a file cut anywhere is found'],
    ],
  },
  {
    id: 'I8.crash',
    source: 'invariant 8',
    says: 'After kill -9 the chain recovers and verifies',
    proof: [
      [chaos('kill'), 'I10: killed at random moments'],
      ['src/audit/crash.test.ts', 'kill -9 at any moment'],
    ],
  },
  {
    id: 'I9.token',
    source: 'invariant 9',
    says: 'A grant never outlives its token',
    proof: [
      [attack('grants'), 'G51: a grant ends with the token'],
      ['src/policy/decide.test.ts', 'attack 51'],
    ],
  },
  {
    id: 'I9.clocks',
    source: 'invariant 9',
    says: 'Deadlines hold on the monotonic clock too',
    proof: [['src/grant/deadlines.test.ts', 'a wall clock set back delays nothing']],
  },
  {
    id: 'I9.again',
    source: 'invariant 9',
    says: "Lock, rule and grant are asked again at a session's start, and a reload judges every grant",
    proof: [
      [chaos('reload'), 'I9, C49, N213'],
      [attack('grants'), 'G45: a credential is dead'],
    ],
  },
  {
    id: 'I10.crash',
    source: 'invariant 10',
    says: 'kill -9 loses no acknowledged decision, revives nothing and leaves nothing open upstream',
    proof: [
      [chaos('kill'), 'I10: killed at random moments'],
      [attack('grants'), 'G48, G223'],
    ],
  },
  {
    id: 'I10.disk',
    source: 'invariant 10',
    says: 'A full disk loses no acknowledged decision',
    proof: [[chaos('disk'), 'I10: a crash on a full disk']],
  },
  {
    id: 'I10.database',
    source: 'invariant 10',
    says: 'A lost or rolled-back database revives no revoked grant',
    proof: [
      [chaos('rollback'), 'C210: an older state.db'],
      [chaos('rollback'), 'C210: a state.db that is gone'],
    ],
  },
]

const contract: readonly Requirement[] = [
  {
    id: 'D5.whole',
    source: 'DESIGN.md 5',
    says: 'A changed file is taken on SIGHUP only if it is valid as a whole',
    proof: [[chaos('reload'), 'C205: a file that is invalid']],
  },
  {
    id: 'D5.strict',
    source: 'DESIGN.md 5',
    says: 'Errors name file, line, column and key',
    proof: [['src/cli/check.test.ts', 'an invalid file: every problem with its place']],
  },
  {
    id: 'D6.not-yours',
    source: 'DESIGN.md 6',
    says: "Another's grant is grant_unknown; the audit says it was not his",
    proof: [[attack('grants'), "G43: another's grant"]],
  },
  {
    id: 'D6.alike',
    source: 'DESIGN.md 6',
    says: 'At a native door every bad credential looks alike',
    proof: [[attack('grants'), 'T42: at the door']],
  },
  {
    id: 'D6.connections',
    source: 'DESIGN.md 6',
    says: 'No rule and no such connection cannot be told apart',
    proof: [[attack('grants'), 'G56, G57']],
  },
  {
    id: 'D6.idempotency',
    source: 'DESIGN.md 6',
    says: 'A replay never repeats a password',
    proof: [
      ['src/grant/races.test.ts', 'a repeated Idempotency-Key'],
      [attack('grants'), 'the compromised agent, who knows the source'],
    ],
  },
  {
    id: 'D6.host',
    source: 'DESIGN.md 6',
    says: 'Host is checked against public_url; no CORS',
    proof: [
      [attack('api'), 'H146: a Host or Origin'],
      [attack('api'), 'H146: no CORS'],
    ],
  },
  {
    id: 'D6.health',
    source: 'DESIGN.md 6',
    says: '/healthz, /readyz and /metrics need no token and say nothing secret',
    proof: [[attack('api'), 'M174: health, readiness, metrics']],
  },
  {
    id: 'D8.sql',
    source: 'DESIGN.md 8',
    says: "Judged on the real parser's tree, each statement of a string, every sub-select, CTE and function",
    proof: [
      [attack('sql'), 'Q65: a write inside WITH'],
      [attack('sql'), 'Q75: of several statements'],
      [attack('sql'), 'Q86: what is not listed stays unread'],
    ],
  },
  {
    id: 'D8.mask',
    source: 'DESIGN.md 8',
    says: 'A masked column stays masked or the statement is refused',
    proof: [[attack('sql'), 'Q85: a masked column stays masked']],
  },
  {
    id: 'D8.exec',
    source: 'DESIGN.md 8',
    says: 'A pattern matches one simple command',
    proof: [[attack('ssh'), 'S113: a pattern for one command']],
  },
  {
    id: 'D10.parser',
    source: 'DESIGN.md 10',
    says: 'Statements are capped before the parser and it runs apart',
    proof: [[attack('sql'), 'Q103: parser bombs']],
  },
]

const standards: readonly Requirement[] = [
  {
    id: 'J.alg',
    source: 'RFC 8725 section 3.1',
    says: 'The algorithm comes from configuration, never from the token',
    proof: [
      [attack('tokens'), 'T1: alg none'],
      [attack('tokens'), 'T2: HS256 signed'],
      [attack('tokens'), 'T3: an algorithm'],
    ],
  },
  {
    id: 'J.keys',
    source: 'RFC 8725 section 3.10',
    says: 'jku, x5u, jwk and x5c are never used',
    proof: [[attack('tokens'), 'T6: jku, x5u, jwk and x5c']],
  },
  {
    id: 'J.crit',
    source: 'RFC 7515 section 4.1.11',
    says: 'An unknown crit is refused',
    proof: [[attack('tokens'), 'T7: crit and b64']],
  },
  {
    id: 'J.typ',
    source: 'RFC 8725 section 3.11',
    says: 'Another kind of JWT is no access token',
    proof: [
      [attack('tokens'), 'T12: the typ'],
      [attack('tokens'), 'T11: an ID token'],
    ],
  },
  {
    id: 'J.iss',
    source: 'RFC 9068 section 4',
    says: 'iss is exactly the configured issuer',
    proof: [
      [attack('tokens'), 'T9: an issuer that is nearly ours'],
      [attack('tokens'), 'T220'],
    ],
  },
  {
    id: 'J.aud',
    source: 'RFC 9068 section 4',
    says: 'aud names this resource',
    proof: [[attack('tokens'), 'T10: a foreign']],
  },
  {
    id: 'J.exp',
    source: 'RFC 7519 section 4.1.4',
    says: 'An expired token is refused, and exp must be there',
    proof: [
      [attack('tokens'), 'T13: an exp'],
      [attack('tokens'), 'T219'],
    ],
  },
  {
    id: 'J.nbf',
    source: 'RFC 7519 section 4.1.5',
    says: 'A token from the future is refused',
    proof: [[attack('tokens'), 'T14: nbf or iat']],
  },
  {
    id: 'J.json',
    source: 'RFC 7519 section 4',
    says: 'Duplicate members are refused',
    proof: [[attack('tokens'), 'T22: a member twice']],
  },
  {
    id: 'O.groups',
    source: 'STANDARDS.md 1',
    says: 'groups is an array of strings at the configured path, or refused with its own code',
    proof: [
      [attack('tokens'), 'T16: groups missing'],
      [attack('tokens'), 'T17: groups of another form'],
      [attack('tokens'), 'T18: the marks'],
    ],
  },
  {
    id: 'O.client',
    source: 'STANDARDS.md 1',
    says: 'cid, client_id and azp agree and are listed',
    proof: [[attack('tokens'), 'T15: a client']],
  },
  {
    id: 'O.keys',
    source: 'STANDARDS.md 1',
    says: 'Keys are cached, refetched once on an unknown kid, with a cool-down',
    proof: [
      [attack('tokens'), 'T29: a storm'],
      [attack('tokens'), 'T28: while the issuer is down'],
    ],
  },
  {
    id: 'O.discovery',
    source: 'OpenID Connect Discovery section 4.3',
    says: 'The discovery document names this issuer',
    proof: [[attack('tokens'), 'T32: an issuer that describes another']],
  },
  {
    id: 'B.header',
    source: 'RFC 6750 section 2',
    says: 'One token, in the header alone',
    proof: [[attack('tokens'), 'T35: two headers']],
  },
  {
    id: 'B.challenge',
    source: 'RFC 6750 section 3',
    says: 'WWW-Authenticate says why, without error where no token was sent',
    proof: [[attack('tokens'), 'T35: a 401 says']],
  },
  {
    id: 'B.dpop',
    source: 'RFC 9449 section 7.2',
    says: 'A bound token is refused as a bearer token',
    proof: [[attack('tokens'), 'T39: a token bound']],
  },
  {
    id: 'B.act',
    source: 'RFC 8693 section 4.1',
    says: 'Only subject and current actor count',
    proof: [
      [attack('tokens'), "T40: an actor's own groups"],
      [attack('tokens'), 'T40: a deep'],
    ],
  },
  {
    id: 'P.startup',
    source: 'PostgreSQL protocol: start-up',
    says: 'Startup parameters are an allow-list',
    proof: [[attack('wire'), 'Q99: a startup that asks for more']],
  },
  {
    id: 'P.negotiate',
    source: 'PostgreSQL protocol: NegotiateProtocolVersion',
    says: 'Unknown minors and options are negotiated down',
    proof: [[attack('wire'), 'Q99: a minor version']],
  },
  {
    id: 'P.tls',
    source: 'CVE-2021-23222',
    says: 'The buffer is empty at the switch to TLS',
    proof: [
      [attack('wire'), 'Q100: bytes sent in clear'],
      [attack('wire'), 'Q100: direct TLS'],
    ],
  },
  {
    id: 'P.sync',
    source: 'PostgreSQL protocol: extended query',
    says: 'After an error everything up to Sync is skipped',
    proof: [[attack('wire'), 'Q94: after a refusal']],
  },
  {
    id: 'P.cancel',
    source: 'PostgreSQL protocol: CancelRequest',
    says: 'Only a key that we issued cancels',
    proof: [[attack('wire'), 'Q92: only the key']],
  },
  {
    id: 'P.scram',
    source: 'RFC 5802 section 5',
    says: 'A SCRAM exchange that is not to the letter proves nothing',
    proof: [[attack('wire'), 'Q101: a SCRAM exchange']],
  },
  {
    id: 'P.length',
    source: 'PostgreSQL protocol: message formats',
    says: 'Lengths are judged on the header',
    proof: [[attack('wire'), 'Q97: a length']],
  },
  {
    id: 'S.strict-kex',
    source: 'OpenSSH PROTOCOL section 1.10',
    says: 'Strict key exchange is offered',
    proof: [[attack('ssh'), 'S125: strict key exchange']],
  },
  {
    id: 'S.userauth',
    source: 'RFC 4252',
    says: 'Only a password or a signature of the grant gets in',
    proof: [
      [attack('ssh'), 'S123: none'],
      ['src/protocol/ssh/attack.test.ts', 'a key that is merely offered opens nothing'],
    ],
  },
  {
    id: 'S.channels',
    source: 'RFC 4254 section 5.1',
    says: 'Channels but sessions are prohibited',
    proof: [
      [attack('ssh'), 'S108, S109'],
      [attack('ssh'), 'S110, S111'],
    ],
  },
  {
    id: 'H.problem',
    source: 'RFC 9457',
    says: 'Errors are problem+json with a stable code',
    proof: [[attack('api'), 'H: every answer']],
  },
  {
    id: 'H.framing',
    source: 'RFC 9112 section 6.3',
    says: 'Ambiguous framing is refused and the connection closed',
    proof: [[attack('api'), 'H134: requests that two parsers']],
  },
  {
    id: 'H.host',
    source: 'RFC 9112 section 3.2',
    says: 'A request has one Host, ours',
    proof: [[attack('api'), 'H136: no Host']],
  },
]

export const requirements: readonly Requirement[] = [...invariants, ...contract, ...standards]
