import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { createTestClock } from '#kernel/clock/test-clock';
import { Failure } from '#kernel/errors/failure';
import { mount } from '#kernel/http/mount';
import { accessed, activity, json, needs, open, route, signedIn, unrecorded, whole } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { type Log, silentLog } from '#kernel/log/log';
import { testActor, testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';

const surface: Surface = {
  name: 'test',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => (target.segments[0] === 'none' ? undefined : target.segments),
  schemes: [
    {
      name: 'bearer',
      authenticate: (exchange) => (exchange.header('authorization') === 'Bearer good' ? testActor : undefined),
    },
  ],
  challenge: () => ({ 'www-authenticate': 'Bearer' }),
  render: (failure) => ({ status: failure.status, body: { error: { code: failure.code, message: failure.message } } }),
  headers: (exchange) => ({ 'x-ms-request-id': exchange.requestId }),
};
const write = { name: 'Test/things/write', plane: 'control' } as const;
let acted = 0;
const things = route({
  operation: 'Things_Put',
  surface: 'test',
  method: 'PUT',
  path: '/things/{name}',
  summary: 'puts',
  access: needs(write, ({ name }) => `/things/${name}`, whole),
  audit: activity('name', 'size', 'deep.inner'),
  body: {
    kind: 'json',
    maxBytes: 200,
    schema: Type.Object(
      {
        size: Type.Optional(Type.Number()),
        secret: Type.Optional(Type.String()),
        deep: Type.Optional(Type.Object({ inner: Type.String() })),
      },
      { additionalProperties: false },
    ),
  },
  handle: async (_grant, { body }) => {
    acted++;
    if (body.size === 13) throw new Error('SELECT secret FROM table');
    return json(200, { size: body.size });
  },
});
const locks = route({
  operation: 'Locks_Set',
  surface: 'test',
  method: 'PUT',
  path: '/things/{name}/lock',
  summary: 'locks',
  access: needs(write, ({ name }) => `/things/${name}`, whole),
  audit: activity('name', 'by', 'dry'),
  query: Type.Object({ dry: Type.Optional(Type.String()) }),
  body: {
    kind: 'json',
    maxBytes: 200,
    holdsSecrets: true,
    schema: Type.Object({ pin: Type.String(), by: Type.Optional(Type.String()) }),
  },
  handle: () => json(200, {}),
});
const who = route({
  operation: 'Who',
  surface: 'test',
  method: 'GET',
  path: '/who',
  summary: 'who',
  access: signedIn('tells the caller its own name'),
  audit: accessed(),
  handle: (grant) => json(200, { name: grant.actor.name }),
});
const health = route({
  operation: 'Health',
  surface: 'test',
  method: 'GET',
  path: '/health',
  summary: 'health',
  access: open('health is for probes without a credential'),
  audit: unrecorded('probes'),
  handle: () => json(200, { ok: true }),
});

const audit = testAudit();
const { authorizer } = testAuthority((_action, scope) => scope === '/things/mine');
const door = await openTestDoor({
  surfaces: [surface],
  routes: [things, locks, who, health],
  ports: { authorizer, audit },
});
after(() => door.close());
const put = (path: string, body: unknown, token = 'good') =>
  fetch(`${door.url}${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const last = () => audit.entries.at(-1);

test('an allowed act is intended, done, concluded, and its answer carries the surface headers', async () => {
  const answer = await put('/things/mine', { size: 1, secret: 'hunter2', deep: { inner: 'x' } });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('x-ms-request-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.deepEqual(last()?.intent.parameters, { name: 'mine', size: 1, 'deep.inner': 'x' });
  assert.match(last()?.intent.bodyDigest ?? '', /^[0-9a-f]{64}$/);
  assert.deepEqual(last()?.outcome, { status: 200, code: undefined });
  assert.ok(!JSON.stringify(audit.entries).includes('hunter2'));
});

test('a query does not speak for the body: what was acted on is what is recorded', async () => {
  await put('/things/mine?size=99&deep.inner=y&name=yours', { size: 1 });
  assert.deepEqual(last()?.intent.parameters, { name: 'mine', size: 1 });
  await put('/things/mine/lock?by=somebody&dry=yes', { pin: '1234', by: 'me' });
  assert.deepEqual(last()?.intent.parameters, { name: 'mine', by: 'me', dry: 'yes' });
  await put('/things/mine/lock?by=somebody', { pin: '1234' });
  assert.deepEqual(last()?.intent.parameters, { name: 'mine' });
});

test('of a body that holds secrets there is no digest that a guess could be tried against', async () => {
  assert.equal((await put('/things/mine/lock', { pin: '1234' })).status, 200);
  assert.equal(last()?.intent.bodyDigest, undefined);
});

test('no credential is a 401 with the challenge, before the body is looked at, and it is recorded', async () => {
  const before = acted;
  const answer = await put('/things/mine', '{not json', 'bad');
  assert.equal(answer.status, 401);
  assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  assert.equal(last()?.intent.decision, 'refused');
  assert.equal(acted, before);
});

test('a refusal is decided on the path before the body is read', async () => {
  const answer = await put('/things/yours', '{not json');
  assert.equal(answer.status, 403);
  assert.equal(((await answer.json()) as { error: { code: string } }).error.code, 'AuthorizationFailed');
  assert.equal(last()?.outcome?.status, 403);
});

test('bad bodies are refused with what is wrong, and nothing is done', async () => {
  const before = acted;
  for (const body of [
    '{',
    '[]',
    '"x"',
    '{"sise":1}',
    '{"size":"1"}',
    '{"__proto__":{"size":1}}',
    `{"secret":"${'x'.repeat(300)}"}`,
    `${'['.repeat(80)}${']'.repeat(80)}`,
  ]) {
    const answer = await put('/things/mine', body);
    assert.ok(answer.status === 400 || answer.status === 413, `${body.slice(0, 20)}: ${answer.status}`);
  }
  assert.match(JSON.stringify(await (await put('/things/mine', '{"sise":1}')).json()), /'sise'; check the spelling/);
  assert.equal(acted, before);
});

test('a body that does not say its length is bounded all the same', async () => {
  const before = acted;
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const sent = request(`${door.url}/things/mine`, {
      method: 'PUT',
      headers: { authorization: 'Bearer good', 'transfer-encoding': 'chunked' },
    });
    sent.on('response', (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    sent.write(`{"secret":"${'x'.repeat(150)}`);
    sent.end(`${'x'.repeat(150)}"}`);
  });
  assert.equal(status, 413);
  assert.equal(acted, before);
});

test('an error that is no Failure shows nothing of itself', async () => {
  const answer = await put('/things/mine', { size: 13 });
  assert.equal(answer.status, 500);
  assert.ok(!(await answer.text()).includes('SELECT'));
  assert.equal(last()?.outcome?.code, 'InternalError');
});

test('what cannot be recorded is not done', async () => {
  const before = acted;
  const failing = await openTestDoor({
    surfaces: [surface],
    routes: [things],
    ports: {
      authorizer,
      audit: {
        ...audit,
        begin: async () => {
          throw new Failure({
            kind: 'unavailable',
            code: 'AuditUnavailable',
            message: 'The audit log cannot be written.',
          });
        },
      },
    },
  });
  const answer = await fetch(`${failing.url}/things/mine`, {
    method: 'PUT',
    headers: { authorization: 'Bearer good' },
    body: '{}',
  });
  assert.equal(answer.status, 503);
  assert.equal(acted, before);
  await failing.close();
});

test('signed-in routes take any caller with a credential, open ones anybody', async () => {
  assert.equal((await fetch(`${door.url}/who`)).status, 401);
  assert.deepEqual(await (await fetch(`${door.url}/WHO`, { headers: { authorization: 'Bearer good' } })).json(), {
    name: testActor.name,
  });
  assert.equal((await fetch(`${door.url}/health`)).status, 200);
});

test('an unknown path is a plain 404 and a wrong method a 405 with Allow', async () => {
  assert.equal((await fetch(`${door.url}/nothing/here`)).status, 404);
  assert.equal((await fetch(`${door.url}/none`)).status, 404);
  const answer = await fetch(`${door.url}/who`, { method: 'DELETE' });
  assert.equal(answer.status, 405);
  assert.equal(answer.headers.get('allow'), 'GET');
});

test('whoever proves nothing is put off in the end, and whoever proves who he is never is', async (t) => {
  const clock = createTestClock();
  const proofs = { given: [] as string[], room: true };
  const recorded = testAudit();
  const own = await openTestDoor({
    surfaces: [surface],
    routes: [
      who,
      health,
      route({
        operation: 'SignIn',
        surface: 'test',
        method: 'POST',
        path: '/sign-in',
        summary: 'signs in',
        access: open('the caller is about to prove who it is', { proves: true }),
        audit: activity(),
        handle: (_grant, { exchange }) => {
          if (exchange.header('x-right') === undefined)
            throw new Failure({ kind: 'unauthenticated', code: 'WrongPassword', message: 'No.' });
          return json(200, {});
        },
      }),
    ],
    ports: {
      authorizer: testAuthority().authorizer,
      audit: {
        ...recorded,
        listing: () => (proofs.room ? { proved: () => proofs.given.push('proof') } : undefined),
      },
    },
    clock,
  });
  t.after(() => own.close());
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const answer = await fetch(`${own.url}${path}`, { method, headers });
    return [answer.status, answer.headers.get('retry-after'), (await answer.text()).includes('"error"')];
  };
  const proved = { authorization: 'Bearer good' };
  const statuses = new Set<unknown>();
  for (let at = 0; at < 2_000; at += 100)
    for (const [status] of await Promise.all(Array.from({ length: 100 }, () => ask('/who')))) statuses.add(status);
  assert.deepEqual([...statuses], [401]);
  assert.deepEqual(await ask('/who'), [429, '60', true]);
  assert.deepEqual(await ask('/who', { authorization: 'Bearer wrong' }), [429, '60', true]);
  assert.deepEqual(await ask('/sign-in', {}, 'POST'), [429, '60', true]);
  assert.deepEqual((await ask('/who', proved))[0], 200);
  assert.deepEqual((await ask('/sign-in', { 'x-right': '1' }, 'POST'))[0], 200);
  assert.equal(proofs.given.length, 1);
  assert.deepEqual((await ask('/health'))[0], 200);
  // Without room for one of its own a sign-in is recorded after it acted: as an act if it proved something, else counted.
  proofs.room = false;
  const levelsOf = async (act: () => Promise<unknown>) => {
    const from = recorded.entries.length;
    await act();
    return recorded.entries.slice(from).map(({ level, outcome }) => [level, outcome?.status]);
  };
  assert.deepEqual(await levelsOf(() => ask('/sign-in', { 'x-right': '1' }, 'POST')), [['activity', 200]]);
  assert.deepEqual(await levelsOf(() => ask('/sign-in', {}, 'POST')), [['refused', 429]]);
  await clock.advance(60_000);
  assert.deepEqual((await ask('/who'))[0], 401);
  assert.deepEqual(await levelsOf(() => ask('/sign-in', {}, 'POST')), [['refused', 401]]);
});

test('while the disk has no room, what grows is refused before its body is read, and the rest goes on', async (t) => {
  let isLow = true;
  const own = await openTestDoor({
    surfaces: [surface],
    routes: [things, { ...things, operation: 'Mend', path: '/mend/{name}', goesOnWhenLow: 'a test' }, who],
    ports: {
      authorizer: testAuthority().authorizer,
      audit: testAudit(),
      room: {
        require() {
          if (isLow) throw new Failure({ kind: 'full', code: 'StorageLow', message: 'No room.' });
        },
      },
    },
  });
  t.after(() => own.close());
  const headers = { authorization: 'Bearer good' };
  const put = async () => (await fetch(`${own.url}/things/a`, { method: 'PUT', headers, body: '{}' })).status;
  assert.equal(await put(), 507);
  assert.equal((await fetch(`${own.url}/mend/a`, { method: 'PUT', headers, body: '{"size":1}' })).status, 200);
  assert.equal((await fetch(`${own.url}/who`, { headers })).status, 200);
  isLow = false;
  assert.equal(await put(), 200);
});

test('a body that never ends as declared is refused and nothing is done', async () => {
  const before = acted;
  await new Promise<void>((resolve) => {
    const sent = request(`${door.url}/things/mine`, {
      method: 'PUT',
      headers: { authorization: 'Bearer good', 'content-length': '50' },
    });
    sent.on('error', () => resolve());
    sent.on('close', () => resolve());
    sent.write('{"size":');
    setImmediate(() => sent.destroy());
  });
  assert.equal(acted, before);
});

test('mount refuses a route whose action no role could name', () => {
  assert.throws(
    () =>
      mount({
        surfaces: [surface],
        routes: [things],
        ports: { authorizer, audit },
        log: silentLog,
        declared: [{ name: write.name, plane: 'data' }],
      }),
    /Test\/things\/write is not declared/,
  );
});

test('mount refuses what must not exist, all at once', () => {
  const deaf = { ...things, operation: 'Deaf', path: '/deaf/{name}', access: needs(write, () => '/', whole) };
  const lost = { ...health, operation: 'Lost', surface: 'nowhere' };
  assert.throws(
    () =>
      mount({
        surfaces: [surface],
        routes: [things, things, deaf, lost],
        ports: { authorizer, audit },
        log: silentLog,
      }),
    (thrown: Error) =>
      ['the operation exists twice', 'ignores {name}', "no surface is named 'nowhere'"].every((part) =>
        thrown.message.includes(part),
      ),
  );
});

test('the log complains of what is wrong with the server, not of what a caller wished for nor of an ordinary stop', async () => {
  const failures: Readonly<Record<string, Failure>> = {
    wish: new Failure({ kind: 'notImplemented', code: 'NotServed', message: 'Not served.' }),
    stop: new Failure({ kind: 'unavailable', code: 'ServerStopping', message: 'The server is stopping.' }),
    busy: new Failure({ kind: 'unavailable', code: 'ServerBusy', message: 'Later.' }),
    full: new Failure({ kind: 'unavailable', code: 'StorageFull', message: 'Full.', cause: new Error('ENOSPC') }),
    broken: new Failure({ kind: 'integrity', code: 'Broken', message: 'Does not open.' }),
  };
  const lines: (readonly [level: string, message: string, code: unknown, hasStack: boolean])[] = [];
  const level =
    (name: string): Log['info'] =>
    ({ code, error }, message) =>
      message === 'request' ? undefined : void lines.push([name, message, code, error !== undefined]);
  const noisy = await openTestDoor({
    surfaces: [surface],
    routes: [
      route({
        operation: 'Fail',
        surface: 'test',
        method: 'GET',
        path: '/fail/{how}',
        summary: 'fails',
        access: open('a failure for this test'),
        audit: unrecorded('test'),
        handle: (_grant, { params }) => {
          throw failures[params['how'] ?? ''] ?? new Error('thrown');
        },
      }),
    ],
    ports: { authorizer: testAuthority().authorizer, audit: testAudit() },
    log: { debug: level('debug'), info: level('info'), warn: level('warn'), error: level('error') },
  });
  for (const [how, status] of [
    ['wish', 501],
    ['stop', 503],
    ['busy', 503],
    ['full', 503],
    ['broken', 500],
    ['else', 500],
  ] as const)
    assert.equal((await fetch(`${noisy.url}/fail/${how}`)).status, status);
  await noisy.close();
  assert.deepEqual(lines, [
    ['info', 'request put off', 'ServerStopping', false],
    ['warn', 'request put off', 'ServerBusy', false],
    ['warn', 'request put off', 'StorageFull', true],
    ['error', 'request failed', undefined, true],
    ['error', 'request failed', undefined, true],
  ]);
});
