// For tests: identity on a real database behind the real TLS listener, with one protected route beside it, and a small
// browser that keeps cookies by path. Only tests import it.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as send } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestClock, type TestClock } from '#kernel/clock/test-clock';
import { sha256 } from '#kernel/crypto/digest';
import { randomToken } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import { createAuthority, issueLeaf, namesOf } from '#kernel/http/certificates';
import { mount } from '#kernel/http/mount';
import { createProxies } from '#kernel/http/proxies';
import { json, route, signedIn, unrecorded } from '#kernel/http/route';
import { freePort, listen } from '#kernel/http/server';
import { silentLog } from '#kernel/log/log';
import { silentTelemetry } from '#kernel/telemetry/telemetry';
import { type Rule, testAudit, testAuthority } from '#kernel/testing/authority';
import { testDatabases } from '#kernel/testing/databases';
import {
  type Bootstrapped,
  createIdentity,
  firstStart,
  type Identity,
  identityMigrations,
  type SecretStore,
} from './index.ts';

export type Reply = {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The body as an object; empty if it is none. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly location: string;
};
export type Sent = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly form?: Readonly<Record<string, string>> | string;
};

export type IdentityBench = {
  readonly identity: Identity;
  readonly boot: Bootstrapped & { readonly credentials: { readonly password: string; readonly clientSecret: string } };
  readonly origin: string;
  readonly authorityPem: string;
  readonly clock: TestClock;
  readonly database: Database;
  readonly secretStore: SecretStore;
  readonly audit: ReturnType<typeof testAudit>;
  /** Path or absolute URL of this server. No cookies, no redirects. */
  call(path: string, sent?: Sent): Promise<Reply>;
  browser(): Browser;
  close(): Promise<void>;
};
export type Browser = {
  open(url: string, sent?: Sent): Promise<Reply>;
  /** As `open`, and follows redirects within this server. */
  follow(url: string, sent?: Sent): Promise<Reply>;
  readonly cookies: ReadonlyMap<string, { readonly value: string; readonly path: string }>;
};

export const apiAudience = 'https://management.azure.com';
const key = new Uint8Array(32).fill(7);

export function memorySecrets(): SecretStore {
  const held = new Map<string, Uint8Array>();
  return { get: async (name) => held.get(name), put: async (name, bytes) => void held.set(name, bytes) };
}

const authority = await createAuthority('identity tests', new Date());
const { names, addresses } = namesOf('localhost');
const leaf = await issueLeaf(authority, names, addresses, new Date());

export async function openIdentityBench(allows?: Rule): Promise<IdentityBench> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-identity-'));
  const clock = createTestClock(new Date());
  const database = await testDatabases(folder).open('control', [identityMigrations], { key });
  const secretStore = memorySecrets();
  const port = await freePort('127.0.0.1');
  const origin = `https://localhost:${port}`;
  const boot = await firstStart(database, clock);
  const identity = createIdentity({
    database,
    clock,
    log: silentLog,
    telemetry: silentTelemetry,
    secretStore,
    installed: boot,
    origins: [origin, origin.replace('localhost', '127.0.0.1')],
    domain: origin.replace('https://', ''),
    leaving: (_objectId, _how, leave) => database.write(leave),
  });
  const { credentials } = boot;
  if (credentials === undefined) throw new Error('the database was not new');
  await identity.start?.();

  const audit = testAudit();
  const api = {
    name: 'api',
    ignoresCase: true,
    collapsesSlashes: true,
    recognise: ({ segments }: { readonly segments: readonly string[] }) =>
      segments[0] === 'api' ? segments : undefined,
    schemes: [identity.bearerScheme({ audiences: [apiAudience] })],
    render: (failure: { status: number; code: string; message: string }) => ({
      status: failure.status,
      body: { error: { code: failure.code, message: failure.message } },
    }),
  };
  const whoAmI = route({
    operation: 'Api_WhoAmI',
    surface: 'api',
    method: 'GET',
    path: '/api/me',
    summary: 'Who am I',
    access: signedIn('anybody may ask who he is'),
    audit: unrecorded('test'),
    handle: ({ actor }) => json(200, actor),
  });
  const door = mount({
    surfaces: [...(identity.surfaces ?? []), api],
    routes: [...(identity.routes ?? []), whoAmI],
    ports: { authorizer: testAuthority(allows).authorizer, audit },
    log: silentLog,
    // This machine stands for a proxy: a test says where a request came from.
    clientOf: createProxies(['127.0.0.1']),
  });
  const listener = await listen({ door, host: '127.0.0.1', port, leaf, log: silentLog });

  const call = (path: string, { method, headers = {}, form }: Sent = {}) =>
    new Promise<Reply>((resolve, reject) => {
      const url = new URL(path, origin);
      const body = form === undefined ? undefined : typeof form === 'string' ? form : String(new URLSearchParams(form));
      const request = send(
        {
          host: '127.0.0.1',
          port: listener.port,
          path: url.pathname + url.search,
          method: method ?? (body === undefined ? 'GET' : 'POST'),
          ca: authority.certificatePem,
          servername: 'localhost',
          agent: false,
          headers: {
            host: url.host,
            ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
            ...headers,
          },
        },
        (answer) => {
          let text = '';
          answer
            .setEncoding('utf8')
            .on('data', (chunk: string) => {
              text += chunk;
            })
            .on('end', () => resolve(toReply(answer.statusCode ?? 0, answer.headers, text)));
        },
      );
      request.on('error', reject);
      request.end(body);
    });

  return {
    identity,
    boot: { ...boot, credentials },
    get origin() {
      return origin;
    },
    authorityPem: authority.certificatePem,
    clock,
    database,
    secretStore,
    audit,
    call,
    browser: () => createBrowser(origin, call),
    async close() {
      await listener.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function toReply(status: number, headers: NodeJS.Dict<string | string[]>, text: string): Reply {
  const isJson = String(headers['content-type']).startsWith('application/json');
  const body: unknown = isJson ? JSON.parse(text) : {};
  return { status, headers, text, body: body as Reply['body'], location: String(headers['location'] ?? '') };
}

function createBrowser(origin: string, call: IdentityBench['call']): Browser {
  const cookies = new Map<string, { value: string; path: string }>();
  async function open(url: string, sent: Sent = {}): Promise<Reply> {
    const { pathname } = new URL(url, origin);
    const fitting = [...cookies].filter(([, { path }]) => path === '/' || pathname.startsWith(path));
    const cookie = fitting.map(([name, { value }]) => `${name}=${value}`).join('; ');
    const reply = await call(url, { ...sent, headers: { ...(cookie === '' ? {} : { cookie }), ...sent.headers } });
    for (const line of [reply.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const path = /; *path=([^;]*)/i.exec(line)?.[1] ?? '/';
      if (value === '') cookies.delete(name);
      else cookies.set(name, { value, path });
    }
    return reply;
  }
  return {
    cookies,
    open,
    async follow(url, sent) {
      let reply = await open(url, sent);
      for (let hops = 0; hops < 10 && reply.status === 303; hops++) {
        const next = new URL(reply.location, origin);
        if (next.origin !== origin) break;
        reply = await open(next.href);
      }
      return reply;
    },
  };
}

/** The value of a hidden field, the action of the only form: what a browser would send back. */
export function formOf(page: Reply): { readonly action: string; readonly fields: Readonly<Record<string, string>> } {
  const unescaped = (text: string) => text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
  const action = unescaped(/<form method="post" action="([^"]*)"/.exec(page.text)?.[1] ?? '');
  const hidden = [...page.text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)];
  return { action, fields: Object.fromEntries(hidden.map(([, name, value]) => [name, unescaped(value ?? '')])) };
}

/** Signs in through the page that the browser shows now. */
export async function submitPassword(
  browser: Browser,
  page: Reply,
  userName: string,
  password: string,
): Promise<Reply> {
  const { action, fields } = formOf(page);
  return await browser.follow(action, { form: { ...fields, userName, password } });
}

/** A verifier and its S256 challenge (RFC 7636). */
export function pkce(): { readonly verifier: string; readonly challenge: string } {
  const verifier = randomToken();
  return { verifier, challenge: Buffer.from(sha256(verifier)).toString('base64url') };
}

/** In the shape that Microsoft's libraries read. */
export function assertOAuthError(reply: Reply, status: number, error: string, number?: number): void {
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.body['error'], error);
  for (const name of ['error_description', 'timestamp', 'trace_id', 'correlation_id'])
    assert.equal(typeof reply.body[name], 'string', name);
  assert.ok(Array.isArray(reply.body['error_codes']));
  if (number !== undefined) assert.deepEqual(reply.body['error_codes'], [number]);
}
