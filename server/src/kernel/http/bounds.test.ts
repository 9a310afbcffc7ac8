// How whoever is bounded is held at the door: each of the five ways that a route may state, with a caller whose bounds name two
// things of one place. A caller without bounds is touched by none of them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { createActor } from '#kernel/authority/actor';
import type { Grant } from '#kernel/authority/grant';
import { mount } from '#kernel/http/mount';
import {
  activity,
  each,
  harmless,
  json,
  needs,
  own,
  type RouteBounds,
  route,
  unbounded,
  whole,
} from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import { silentLog } from '#kernel/log/log';
import { testActor, testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';

const write = { name: 'Test/things/write', plane: 'control' } as const;
const place = '/places/p';
const bounded = createActor({
  kind: 'application',
  objectId: '33333333-3333-4333-8333-333333333333',
  tenantId: testActor.tenantId,
  name: 'bounded',
  method: 'test',
  bounds: {
    roles: 'ignored',
    rules: [
      { scope: `${place}/things/mine`, actions: [write.name], reason: 'bounds of mine' },
      { scope: `${place}/shelves/1`, actions: [write.name], reason: 'bounds of 1' },
    ],
  },
});
/** Looks bounded and carries nothing. */
const lost = createActor({ kind: 'run', objectId: 'r', tenantId: testActor.tenantId, name: 'lost', method: 'test' });
const actors = new Map([
  ['Bearer person', testActor],
  ['Bearer bounded', bounded],
  ['Bearer lost', lost],
]);
const surface: Surface = {
  name: 'test',
  ignoresCase: true,
  collapsesSlashes: true,
  recognise: (target) => target.segments,
  schemes: [{ name: 'test', authenticate: ({ header }) => actors.get(header('authorization') ?? '') }],
  render: ({ status, code, message }) => ({ status, body: { code, message } }),
};

const acts: Grant[] = [];
const looked: Grant[] = [];
const post = (operation: string, path: string, bounds: RouteBounds) =>
  route({
    operation,
    surface: 'test',
    method: 'POST',
    path: `/places/{place}${path}`,
    summary: 'test',
    access: needs(
      write,
      path.includes('{thing}')
        ? ({ place: name, thing }) => `/places/${name}/things/${thing}`
        : ({ place: name }) => `/places/${name}`,
      bounds,
    ),
    audit: activity('thing'),
    body: { kind: 'json', maxBytes: 500, schema: Type.Object({ things: Type.Optional(Type.Array(Type.String())) }) },
    handle(grant) {
      acts.push(grant);
      return json(200, {});
    },
  });
const named = each((grant, { params, body }) => {
  looked.push(grant);
  const { things = [] } = body as { readonly things?: readonly string[] };
  return things.map((thing) => `/places/${params['place']}/${thing}`);
}, 'Only what is yours.');
const inPath = each((_grant, { params, body }) => {
  assert.equal(body, undefined, 'not a byte of it is read yet');
  return [`/places/${params['place']}/things/${params['last']}`];
}, 'Only what is yours.');
const streamed = route({
  operation: 'Streamed',
  surface: 'test',
  method: 'PUT',
  path: '/places/{place}/streamed/{last}',
  summary: 'test',
  access: needs(write, ({ place: name }) => `/places/${name}`, inPath),
  audit: activity(),
  body: { kind: 'stream', maxBytes: 500 },
  async handle(grant, { body }) {
    acts.push(grant);
    for await (const _ of body);
    return json(200, {});
  },
});

const audit = testAudit();
const door = await openTestDoor({
  surfaces: [surface],
  routes: [
    post('Whole', '/whole/{thing}', whole),
    post('All', '/all', whole),
    post('Named', '/named', named),
    post(
      'Listed',
      '/listed',
      own(({ place: name }) => `/places/${name}/shelves`),
    ),
    post('Closed', '/closed', unbounded('Not with bounds.')),
    post('Harmless', '/harmless', harmless('nothing is done')),
    streamed,
  ],
  ports: { authorizer: testAuthority().authorizer, audit },
});
after(() => door.close());

async function ask(who: string, path: string, body: unknown = {}, method = 'POST') {
  acts.length = 0;
  const answer = await fetch(`${door.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${who}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { message } = (await answer.json()) as { readonly message?: string };
  return { status: answer.status, message, scope: acts[0]?.scope };
}
const scopeFor = async (...asked: Parameters<typeof ask>) => (await ask(...asked)).scope;

test('a caller without bounds has the scope that was decided on, on every route', async () => {
  for (const path of ['/all', '/named', '/listed', '/closed', '/harmless'])
    assert.deepEqual(await ask('person', place + path), { status: 200, message: undefined, scope: place }, path);
  assert.equal(await scopeFor('person', `${place}/streamed/x`, 'x', 'PUT'), place);
  assert.equal(await scopeFor('person', `${place}/named`, { things: ['anything'] }), place);
});

test('the whole of the scope lies within the bounds, or nothing is done', async () => {
  assert.equal(await scopeFor('bounded', `${place}/whole/mine`), `${place}/things/mine`);
  for (const path of ['/whole/yours', '/all']) assert.equal((await ask('bounded', place + path)).status, 403, path);
});

test('each thing that a request names is decided on, and the grant is for the first', async () => {
  const things = (...names: readonly string[]) => ask('bounded', `${place}/named`, { things: names });
  assert.equal((await things('things/mine')).scope, `${place}/things/mine`);
  assert.equal((await things('shelves/1', 'things/mine')).scope, `${place}/shelves/1`);
  assert.equal(looked.at(-1)?.scope, `${place}/things/mine`, 'what looks things up has no more than the bounds either');
  for (const names of [['things/yours'], ['things/mine', 'things/yours'], ['things/mine/../yours'], [''], []]) {
    const { status, message, scope } = await things(...names);
    assert.deepEqual([status, message, scope], [403, 'Only what is yours.', undefined], names.join());
  }
  const last = audit.entries.at(-1);
  assert.deepEqual(
    [last?.level, last?.intent.decision, last?.intent.reason],
    ['refused', 'refused', 'AuthorizationFailed'],
  );
  assert.equal((await ask('bounded', '/places/q/named', { things: ['things/mine'] })).status, 403, 'another place');
});

test('what the path names is decided on before the body is read', async () => {
  assert.equal(await scopeFor('bounded', `${place}/streamed/mine`, 'x', 'PUT'), `${place}/things/mine`);
  assert.equal((await ask('bounded', `${place}/streamed/yours`, 'x', 'PUT')).status, 403);
});

test('a list shows what the bounds hold there, and nothing of elsewhere', async () => {
  assert.equal(await scopeFor('bounded', `${place}/listed`), `${place}/shelves/1`);
  assert.equal((await ask('bounded', '/places/q/listed')).status, 403);
});

test('a route that does not admit whoever is bounded says so', async () => {
  assert.deepEqual(await ask('bounded', `${place}/closed`), {
    status: 403,
    message: 'Not with bounds.',
    scope: undefined,
  });
});

test('where nothing is done, whoever may do it to something below is let in, and nobody else', async () => {
  assert.equal(await scopeFor('bounded', `${place}/harmless`), `${place}/things/mine`);
  assert.equal((await ask('bounded', '/places/q/harmless')).status, 403);
});

test('a statement that a reviewer cannot judge, or that reaches beyond its route, is not mounted', () => {
  const mounting = (bounds: RouteBounds) => () =>
    mount({
      surfaces: [surface],
      routes: [post('Wrong', '/wrong', bounds)],
      ports: { authorizer: testAuthority().authorizer, audit },
      log: silentLog,
    });
  for (const bounds of [unbounded('no'), harmless(''), each(() => [], 'x')])
    assert.throws(mounting(bounds), /Wrong: its bounds need words/);
  for (const under of ['/', '/places', '/places/other/things'])
    assert.throws(mounting(own(() => under)), /Wrong: its bounds are not below the scope/);
  mounting(own(({ place: name }) => `/places/${name}/things`))();
});

test('who should be bounded and carries no bounds does nothing at all', async () => {
  for (const path of ['/whole/mine', '/all', '/named', '/listed', '/closed', '/harmless'])
    assert.equal((await ask('lost', place + path, { things: ['things/mine'] })).status, 403, path);
});
