// The sweep over every route that the composed server mounts: what it says to nobody, to somebody without a role, to
// somebody with the wrong role; that each refusal is recorded; that hostile bodies and methods are refused in the
// protocol's own words. A route that is added tomorrow is swept tomorrow.

import assert from 'node:assert/strict';
import { request } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { builtInRoles } from '#access';
import type { Action } from '#kernel/authority/grant';
import type { Route } from '#kernel/http/route';
import { compileRole } from '../src/modules/access/role.rules.ts';
import type { Reply } from './client.fixture.ts';
import { matchesGolden } from './golden.fixture.ts';
import { type Bench, openServer, type Principal } from './server.fixture.ts';
import { mannerOf } from './surfaces.fixture.ts';
import {
  type Asked,
  addressesOf,
  createAsker,
  furnish,
  headersOf,
  isAtRoot,
  recordsOf,
  refusesEveryToken,
  rolesOfTheMighty,
  type Values,
} from './sweep.fixture.ts';

let bench: Bench;
let routes: readonly Route[];
let present: Values;
let absent: Values;
let ask: ReturnType<typeof createAsker>;

before(async () => {
  bench = await openServer();
  routes = bench.server.composed.door.routes;
  ({ present, absent } = await furnish(bench));
  ask = createAsker(bench);
});
after(() => bench.close());

const host = 'localhost';
const tokenFor = (who: Principal, surface: string) => bench.token(who, bench.audience(surface));

/** Everything that is wrong over all routes, in one message. */
async function each(over: readonly Route[], check: (route: Route) => Promise<void>): Promise<void> {
  const wrong: string[] = [];
  for (const route of over)
    await check(route).catch((error: unknown) => {
      const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      wrong.push(`${route.operation} (${route.method} ${route.path}): ${message}`);
    });
  assert.equal(wrong.length, 0, `${wrong.length} routes:\n${wrong.join('\n')}`);
}

async function eachIsRecorded(asked: readonly Asked[], status: number): Promise<void> {
  const records = await recordsOf(bench);
  const wrong = asked.flatMap(({ route, correlation }) => {
    const [record, ...more] = records.get(correlation) ?? [];
    if (record?.kind !== 'entry' || more.length > 0)
      return [`${route.operation}: ${more.length + (record ? 1 : 0)} records`];
    return record.operation === route.operation && record.decision === 'refused' && record.outcome?.status === status
      ? []
      : [`${route.operation}: recorded as ${record.operation} ${record.decision} ${record.outcome?.status}`];
  });
  assert.deepEqual(wrong, []);
}

/** How often strangers were refused, by operation and status: the first of a kind is listed, and all of them are counted. */
async function strangersRefused(): Promise<ReadonlyMap<string, number>> {
  await bench.server.composed.audit.checkpointNow();
  const counts = new Map<string, number>();
  for (const list of (await recordsOf(bench)).values())
    for (const record of list) {
      if (record.kind !== 'entry' || record.decision !== 'refused' || record.caller.type !== 'anonymous') continue;
      const key = `${record.operation} ${record.outcome?.status}`;
      counts.set(key, (counts.get(key) ?? 0) + (record.repeated?.count ?? 1));
    }
  return counts;
}

async function eachIsCounted(asked: readonly Asked[], status: number, before: ReadonlyMap<string, number>) {
  const expected = new Map(before);
  for (const { route } of asked) {
    const key = `${route.operation} ${status}`;
    expected.set(key, (expected.get(key) ?? 0) + 1);
  }
  const now = await strangersRefused();
  assert.deepEqual(
    [...expected].filter(([key, count]) => now.get(key) !== count).map(([key, count]) => [key, count, now.get(key)]),
    [],
  );
}

/** What the caller sees, without what names the request or the thing that was asked for. */
function indistinct({ status, text, headers }: Reply, values: Values): string {
  let shown = `${status} ${headers['content-type']} ${headers['www-authenticate'] ?? ''} ${text}`;
  const { namespace: _, ...named } = values;
  const names = [...new Set(Object.values(named))].sort((a, b) => b.length - a.length);
  for (const name of names) if (name.length > 3) shown = shown.replaceAll(name, '<name>');
  return shown
    .replace(/absent-[a-z]+/g, '<name>')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z?/g, '<time>');
}

describe('without a credential', () => {
  test('every route that is not open answers its protocol’s own 401, the same for what exists and what does not, and records it', async () => {
    const asked: Asked[] = [];
    const before = await strangersRefused();
    await each(
      routes.filter(({ access }) => access.kind !== 'open'),
      async (route) => {
        const manner = mannerOf(route.surface);
        const seen = new Set<string>();
        for (const values of [present, absent])
          for (const at of addressesOf(route, values, host)) {
            const one = await ask(route, at);
            asked.push(one);
            const { reply } = one;
            assert.equal(reply.status, 401, reply.text);
            if (route.method !== 'HEAD') {
              manner.envelope(reply);
              assert.equal(manner.codeOf(reply), manner.unauthenticated);
            }
            assert.match(String(reply.headers['www-authenticate']), manner.challenge);
            seen.add(indistinct(reply, values));
          }
        assert.equal(seen.size, 1, `existence shows: ${[...seen].join(' | ')}`);
      },
    );
    await eachIsCounted(asked, 401, before);
  });

  test('the routes that are open to everybody are exactly those of the golden list, each with its reason', () => {
    const open = routes.flatMap(({ operation, access }) =>
      access.kind === 'open' ? [[operation, access.reason] as const] : [],
    );
    const byName = Object.fromEntries(open.sort(([a], [b]) => (a < b ? -1 : 1)));
    matchesGolden(new URL('open-routes.golden.json', import.meta.url), byName);
  });

  test('an open route answers nobody with a server error', async () => {
    await each(
      routes.filter(({ access }) => access.kind === 'open'),
      async (route) => {
        for (const at of addressesOf(route, present, host)) {
          const { reply } = await ask(route, at);
          assert.ok(reply.status < 500 || reply.status === 503, `${reply.status} ${reply.text}`);
          if (reply.status >= 400) mannerOf(route.surface).envelope(reply);
        }
      },
    );
  });
});

describe('signed in without any role', () => {
  test('every route that needs an action answers 403, the same for what exists and what does not, and records it', async () => {
    const stranger = await bench.principal([]);
    const asked: Asked[] = [];
    const unknown: Asked[] = [];
    const before = await strangersRefused();
    await each(
      routes.filter(({ access }) => access.kind === 'needs'),
      async (route) => {
        const manner = mannerOf(route.surface);
        const token = await tokenFor(stranger, route.surface);
        const seen = new Set<string>();
        for (const values of [present, absent])
          for (const at of addressesOf(route, values, host)) {
            const one = await ask(route, at, { token });
            const { reply } = one;
            const isUnknown = refusesEveryToken.has(route.surface);
            (isUnknown ? unknown : asked).push(one);
            assert.equal(reply.status, isUnknown ? 401 : 403, reply.text);
            if (route.method !== 'HEAD') {
              manner.envelope(reply);
              if (!isUnknown) assert.equal(manner.codeOf(reply), manner.forbidden);
            }
            seen.add(indistinct(reply, values));
          }
        assert.equal(seen.size, 1, `existence shows: ${[...seen].join(' | ')}`);
      },
    );
    await eachIsRecorded(asked, 403);
    await eachIsCounted(unknown, 401, before);
  });

  test('every list is empty or refused, the same for a place that exists and one that does not', async () => {
    const stranger = await bench.principal([]);
    await each(
      routes.filter(({ access }) => access.kind === 'listing'),
      async (route) => {
        const token = await tokenFor(stranger, route.surface);
        const seen = new Set<string>();
        for (const values of [present, absent])
          for (const at of addressesOf(route, values, host)) {
            const { reply } = await ask(route, at, { token });
            seen.add(indistinct(reply, values));
            if (reply.status !== 200) {
              mannerOf(route.surface).envelope(reply);
              assert.ok(reply.status === 403 || reply.status === 404, `${reply.status} ${reply.text}`);
              continue;
            }
            // Built-in roles are the same on every server and no secret of this one.
            const items = ((reply.body.value ?? []) as { properties?: { type?: string } }[]).filter(
              (item) => item.properties?.type !== 'BuiltInRole',
            );
            assert.deepEqual(items, []);
          }
        assert.equal(seen.size, 1, `existence shows: ${[...seen].join(' | ')}`);
      },
    );
  });
});

describe('signed in with a role that does not hold the action', () => {
  const candidates = ['Owner', 'Reader', 'AcrPull', 'Key Vault Reader', 'Storage Blob Data Reader'].map((name) => {
    const definition = builtInRoles.find(({ roleName }) => roleName === name);
    assert.ok(definition, name);
    return { name, allows: compileRole(definition).allows };
  });

  test('every route that needs an action answers 403 and records it', async () => {
    const holders = new Map<string, Principal>();
    const holderWithout = async (action: Action): Promise<Principal> => {
      const role = candidates.find(({ allows }) => !allows(action));
      assert.ok(role, `every candidate role holds ${action.name}`);
      const known = holders.get(role.name);
      if (known) return known;
      const made = await bench.principal([role.name]);
      holders.set(role.name, made);
      return made;
    };
    const asked: Asked[] = [];
    await each(
      routes.filter(({ surface }) => !refusesEveryToken.has(surface)),
      async (route) => {
        if (route.access.kind !== 'needs') return;
        const token = await tokenFor(await holderWithout(route.access.action), route.surface);
        for (const at of addressesOf(route, present, host)) {
          const one = await ask(route, at, { token });
          asked.push(one);
          assert.equal(one.reply.status, 403, one.reply.text);
          if (route.method !== 'HEAD')
            assert.equal(mannerOf(route.surface).codeOf(one.reply), mannerOf(route.surface).forbidden);
        }
      },
    );
    await eachIsRecorded(asked, 403);
  });
});

describe('somebody who may do everything', () => {
  let mighty: Principal;
  before(async () => {
    mighty = await bench.principal(rolesOfTheMighty);
  });
  const reachable = () => routes.filter((route) => !refusesEveryToken.has(route.surface) && !isAtRoot(route));
  const signed = async (route: Route) =>
    route.access.kind === 'open' ? {} : { token: await tokenFor(mighty, route.surface) };

  const malformed: readonly (readonly [string, string])[] = [
    ['cut off', '{"properties": {"a'],
    ['not an object', '"text"'],
    ['a list', '[1, 2]'],
    ['nothing at all', 'null'],
    ['reaching for a prototype', '{"__proto__": {"isAdmin": true}}'],
    ['nested without end', `${'{"a":'.repeat(500)}1${'}'.repeat(500)}`],
  ];
  test('is refused every body that is no JSON object, in the protocol’s envelope', async () => {
    await each(
      reachable().filter(({ body }) => body?.kind === 'json'),
      async (route) => {
        const [at] = addressesOf(route, present, host);
        assert.ok(at);
        for (const [what, body] of malformed) {
          const { reply } = await ask(route, at, { ...(await signed(route)), body });
          assert.equal(reply.status, 400, `${what}: ${reply.status} ${reply.text}`);
          mannerOf(route.surface).envelope(reply);
        }
      },
    );
  });

  test('is refused every body that is larger than its route takes, before it has been sent', async () => {
    await each(
      reachable().filter(({ body }) => body !== undefined),
      async (route) => {
        const { body } = route;
        const [at] = addressesOf(route, present, host);
        assert.ok(at && body);
        const reply = await announced(route, at, body.maxBytes + 1, (await signed(route)).token);
        // Sign-in forms are shown again, the rest says what is too large.
        assert.ok(
          reply.status === 413 || (route.surface === 'oauth' && reply.status === 400),
          `${reply.status} ${reply.text}`,
        );
        mannerOf(route.surface).envelope(reply);
      },
    );
  });

  test('reads everything that there is and is not without a server error', async () => {
    await each(
      reachable().filter(({ method }) => method === 'GET' || method === 'HEAD'),
      async (route) => {
        for (const values of [present, absent])
          for (const at of addressesOf(route, values, host)) {
            const { reply } = await ask(route, at, await signed(route));
            assert.ok(
              reply.status < 500 || reply.status === 501 || reply.status === 503,
              `${reply.status} ${reply.text}`,
            );
            if (reply.status >= 400 && route.method === 'GET') mannerOf(route.surface).envelope(reply);
          }
      },
    );
  });

  test('is refused every address that cannot be read, in the protocol’s envelope', async () => {
    const unreadable = ['/%2e%2e/x', '/%zz', '/a%00b', `?${'a=1&'.repeat(1100)}`];
    await each(reachable(), async (route) => {
      const [at] = addressesOf(route, absent, host);
      assert.ok(at);
      for (const what of unreadable) {
        const path = `${at.path.split('?')[0]}${what}`;
        const reply = await bench.send(path, { method: route.method, host: at.host, headers: headersOf(route) });
        assert.equal(reply.status, 400, `${what}: ${reply.status} ${reply.text}`);
        if (route.method !== 'HEAD') mannerOf(route.surface).envelope(reply);
      }
    });
  });

  test('is refused methods that a path does not take, in the protocol’s envelope', async () => {
    await each(reachable(), async (route) => {
      const [at] = addressesOf(route, absent, host);
      assert.ok(at);
      for (const method of ['PROPFIND', 'OPTIONS', 'TRACE']) {
        const reply = await bench.send(at.path, {
          ...(await signed(route)),
          host: at.host,
          method,
          headers: headersOf({ ...route, method: 'POST' }),
        });
        assert.ok(reply.status === 405 || reply.status === 404, `${method}: ${reply.status} ${reply.text}`);
        mannerOf(route.surface).envelope(reply);
      }
    });
  });
});

/** Announces a body of `length` bytes, sends the first of them, and hangs up when it has been answered. */
function announced(
  route: Route,
  at: { path: string; host: string },
  length: number,
  token: string | undefined,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sending = request(
      bench.options(at.path, {
        method: route.method,
        host: at.host,
        ...(token === undefined ? {} : { token }),
        headers: { ...headersOf(route), 'content-length': String(length), 'x-ms-blob-type': 'BlockBlob' },
      }),
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const text = bytes.toString('utf8');
          const isJson = String(answer.headers['content-type']).includes('json');
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            bytes,
            text,
            body: isJson ? JSON.parse(text) : undefined,
          });
          sending.destroy();
        });
      },
    );
    sending.on('error', reject);
    sending.write('{');
  });
}

test('a host name that nobody configured is answered 421 on every surface, and nothing is written with it', async () => {
  const surfaces = new Map(routes.map((route) => [route.surface, route]));
  for (const [surface, route] of surfaces) {
    const [at] = addressesOf(route, absent, host);
    assert.ok(at);
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; seen: string }>();
    const sending = request(
      {
        ...bench.options(at.path, { method: route.method, host }),
        headers: { ...headersOf(route), host: 'evil.example' },
      },
      (answer) => {
        let seen = JSON.stringify(answer.rawHeaders);
        answer.on('data', (chunk: Buffer) => {
          seen += String(chunk);
        });
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, seen }));
      },
    );
    sending.on('error', reject).end();
    const { status, seen } = await promise;
    assert.equal(status, 421, `${surface}: ${seen}`);
    assert.ok(!seen.includes('evil'), `${surface}: ${seen}`);
  }
});
