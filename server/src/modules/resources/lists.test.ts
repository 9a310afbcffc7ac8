// Lists: pages that join without gap or repetition, filtered by what the caller may see, out of whichever database holds
// the rows, and without a word about what is hidden.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { sql } from 'kysely';
import { closeScanPool } from '#kernel/database/database';
import { byTheHouse, furnish, groupId, houseId, openWorld, type Server, subscription } from './resources.fixture.ts';

after(() => closeScanPool());

const names = (answer: { body: { value: readonly { name: string }[] } }) => answer.body.value.map(({ name }) => name);

async function chairs(server: Server, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const name = `c${String(index).padStart(2, '0')}`;
    await server.call('PUT', `${houseId}/chairs/${name}`, { properties: { legs: index % 3 } });
  }
}

async function pages(server: Server, first: string): Promise<string[][]> {
  const all: string[][] = [];
  let next: string | undefined = first;
  while (next !== undefined) {
    const answer = await server.call('GET', next);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    all.push(names(answer));
    next = answer.body.nextLink;
    assert.ok(next === undefined || next.startsWith('https://localhost:'));
  }
  return all;
}

for (const ownHome of [false, true]) {
  test(`a list comes in pages, in order, filtered by the kind${ownHome ? ', from a home of its own' : ''}`, async (t) => {
    const server = await (await openWorld(t, { ownHome })).start();
    await furnish(server);
    await chairs(server, 10);
    await server.call('PUT', `${houseId}/notes/n1`, { properties: { text: 'x' } });
    const joined = await pages(server, `${houseId}/chairs?$top=4`);
    assert.deepEqual(joined, [
      ['c00', 'c01', 'c02', 'c03'],
      ['c04', 'c05', 'c06', 'c07'],
      ['c08', 'c09'],
    ]);
    assert.deepEqual((await pages(server, `${houseId}/chairs?$top=2&legs=0`)).flat(), ['c00', 'c03', 'c06', 'c09']);
    assert.deepEqual((await pages(server, `${houseId}/chairs?$skip=8`)).flat(), ['c08', 'c09']);
    assert.deepEqual(names(await server.call('GET', `//${houseId}//chairs/?$top=1`)), ['c00']);
  });
}

test('a nextLink works as it is, and with what was asked for added again as some clients do', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  await chairs(server, 9);
  const first = await server.call('GET', `${houseId}/chairs?$top=1&legs=0`);
  const link: string = first.body.nextLink;
  assert.deepEqual(names(await server.call('GET', link)), ['c03']);
  assert.deepEqual(names(await server.call('GET', `${link}&$top=1&legs=0`)), ['c03']);
});

test('a list in another order looks at no more rows for who sees none of them than one in the order of ids', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  await furnish(server);
  await chairs(server, 1);
  const list = `${houseId}/chairs?legs=9&$orderBy=legs`;
  assert.deepEqual(names(await server.call('GET', list)), []);
  await world.control.write(async (tx) => {
    const { rows } = await sql<object>`select * from resources limit 1`.execute(tx);
    const its = Object.keys(rows[0] ?? {}).map((name) =>
      ['id_key', 'id', 'name', 'unique_id'].includes(name) ? sql`${sql.ref(name)} || n` : sql.ref(name),
    );
    await sql`
      with recursive c(n) as (select 1 union all select n + 1 from c where n < 100000)
      insert into resources select ${sql.join(its)} from resources, c where id_key like '%/chairs/c00'
    `.execute(tx);
  });
  const refused = await server.call('GET', list);
  assert.equal(refused.body.error.code, 'ResponseTooLarge');
});

test('a list is in the order that is asked for, page by page, and an order that it has not is refused', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  await chairs(server, 7);
  const order = (text: string) => encodeURIComponent(text);
  const falling = await pages(server, `${houseId}/chairs?$top=3&$orderBy=${order('legs DESC')}`);
  assert.deepEqual(falling, [['c05', 'c02', 'c04'], ['c01', 'c06', 'c03'], ['c00']]);
  const rising = await pages(server, `${houseId}/chairs?$top=4&$orderBy=legs`);
  assert.deepEqual(rising.flat(), ['c00', 'c03', 'c06', 'c01', 'c04', 'c02', 'c05']);
  const skipped = await pages(server, `${houseId}/chairs?$skip=5&$orderBy=legs`);
  assert.deepEqual(skipped.flat(), ['c02', 'c05']);
  for (const text of ['colour', 'legs up', 'legs desc, name', '__proto__', ''])
    assert.equal(
      (await server.call('GET', `${houseId}/chairs?$orderBy=${order(text)}`)).body.error.code,
      'InvalidOrderBy',
    );
});

test('children in a home of their own are not in the control database, and go with their parent', async (t) => {
  const world = await openWorld(t, { ownHome: true });
  const server = await world.start();
  await furnish(server);
  await chairs(server, 3);
  const grant = byTheHouse();
  assert.equal((await server.resources.list(grant, { type: 'Test.Houses/houses/chairs', under: '/' })).length, 3);
  assert.equal(JSON.stringify(await rows(world.control)).includes('chairs'), false);
  assert.equal((await rows(world.home ?? world.control)).length, 3);
  await server.call('DELETE', houseId);
  await server.tasks.drain();
  assert.equal((await rows(world.home ?? world.control)).length, 0);
});

async function rows(database: { read: unknown }): Promise<readonly unknown[]> {
  const { sql } = await import('kysely');
  const { tables } = await import('#kernel/database/database');
  const read = tables(database.read as Parameters<typeof tables>[0]);
  return (await sql`select id from resources`.execute(read)).rows;
}

test('a list shows what the caller may see and nothing of the rest, its tokens included', async (t) => {
  const world = await openWorld(t);
  const server = await world.start();
  await furnish(server);
  await chairs(server, 9);
  world.caller.allows = (_action, scope) => /c0[258]$/i.test(scope);
  const first = await server.call('GET', `${houseId}/chairs?$top=1`);
  assert.deepEqual(names(first), ['c02']);
  const token = new URL(first.body.nextLink).searchParams.get('$skipToken') ?? '';
  assert.match(String(JSON.parse(Buffer.from(token.slice(2), 'base64url').toString())[0]), /c02$/);
  assert.deepEqual((await pages(server, `${houseId}/chairs?$top=1`)).flat(), ['c02', 'c05', 'c08']);
  // A container that is missing looks like an empty one to those who may not see all of it.
  assert.deepEqual((await server.call('GET', `${houseId}x/chairs`)).body, { value: [] });
  world.caller.allows = () => true;
  assert.equal((await server.call('GET', `${houseId}x/chairs`)).body.error.code, 'ParentResourceNotFound');
  assert.equal(
    (await server.call('GET', `/subscriptions/${subscription.id}/resourceGroups/x/providers/Test.Houses/houses`)).body
      .error.code,
    'ResourceGroupNotFound',
  );
});

test('top-level kinds list by group and by subscription, and everything in a group lists together', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  await server.call('PUT', `${groupId}2`, { location: 'local' });
  await server.call('PUT', `${groupId}2/providers/Test.Houses/houses/Hut`, { location: 'local' });
  await chairs(server, 1);
  const path = '/providers/test.houses/houses';
  assert.deepEqual(names(await server.call('GET', groupId + path)), ['Villa']);
  assert.deepEqual(names(await server.call('GET', `/subscriptions/${subscription.id}${path}`)), ['Villa', 'Hut']);
  const all = await server.call('GET', `${groupId}/resources`);
  assert.deepEqual(names(all), ['Villa']);
  assert.equal(all.body.value[0].properties, undefined);
  const base = `/subscriptions/${subscription.id}/resources`;
  assert.deepEqual(names(await server.call('GET', base)), ['Villa', 'Hut']);
  const filter = encodeURIComponent("resourceType eq 'test.houses/HOUSES' and name eq 'hut'");
  assert.deepEqual(names(await server.call('GET', `${base}?$filter=${filter}`)), ['Hut']);
  const inGroup = encodeURIComponent("resourceGroup eq 'rooms'");
  assert.deepEqual(names(await server.call('GET', `${base}?$filter=${inGroup}`)), ['Villa']);
  assert.equal((await server.call('GET', `${base}?$filter=kind%20eq%20'a'`)).status, 400);
});

test('tokens and sizes that no list gave out are refused', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const list = `${houseId}/chairs`;
  for (const query of ['$skipToken=x', '$skipToken=k.x', '$skip=-1', `$skipToken=k.${'A'.repeat(4000)}`, '$skip=abc'])
    assert.equal((await server.call('GET', `${list}?${query}`)).body.error.code, 'InvalidSkipToken', query);
  for (const query of ['$top=-1', '$top=x', '$top=1&$top=2', `$skipToken=${'k'.repeat(5000)}`])
    assert.equal((await server.call('GET', `${list}?${query}`)).status, 400, query);
  assert.deepEqual((await server.call('GET', `${list}?$top=0`)).body.value, []);
  // A token is a place in the order, not a permission: it may point anywhere and shows only what the list would.
  const token = (content: unknown) => `k.${Buffer.from(JSON.stringify(content)).toString('base64url')}`;
  assert.deepEqual((await server.call('GET', `${list}?$skipToken=${token(['/', {}])}`)).body, { value: [] });
  // What it says that was asked for is looked at like a query.
  const malformed = [
    ['/'],
    ['/', null],
    ['', {}],
    [7, {}],
    ['/A', {}],
    ['x', {}],
    ['/', { legs: { a: 1 } }],
    {},
    'x',
    null,
  ];
  for (const content of malformed)
    assert.equal(
      (await server.call('GET', `${list}?$skipToken=${token(content)}`)).body.error.code,
      'InvalidSkipToken',
    );
  const bad = await server.call('GET', `${list}?$skipToken=${token(['/', { $top: 'x' }])}`);
  assert.match(bad.body.error.message, /\$top/);
});

test('lists filter by tag, and refuse what they do not apply', async (t) => {
  const server = await (await openWorld(t)).start();
  const stem = groupId.slice(0, groupId.lastIndexOf('/'));
  for (const [name, tags] of [
    ['a', { Team: 'blue' }],
    ['b', { team: 'red' }],
    ['c', {}],
  ] as const)
    assert.equal((await server.call('PUT', `${stem}/${name}`, { location: 'local', tags })).status, 201);
  const named = async (filter: string) => {
    const { status, body } = await server.call('GET', `${stem}?$filter=${encodeURIComponent(filter)}`);
    return status === 200 ? body.value.map(({ name }: { name: string }) => name) : body.error.code;
  };
  assert.deepEqual(await named("tagName eq 'team' and tagValue eq 'blue'"), ['a']);
  assert.deepEqual(await named("tagname eq 'TEAM'"), ['a', 'b']);
  assert.deepEqual(await named("tagName eq 'team' and tagValue eq 'it''s'"), []);
  for (const filter of [
    "tagValue eq 'blue'",
    "tagName ne 'team'",
    "name eq 'a'",
    "tagName eq 'a' tagValue eq 'b'",
    "tagName eq 'a' and tagName eq 'b'",
    "tagName eq 'a' or tagName eq 'b'",
  ])
    assert.equal(await named(filter), 'InvalidFilterInQueryString', filter);
  await server.call('PUT', `${stem}/a/providers/Test.Houses/houses/Tagged`, { location: 'local', tags: { x: '1' } });
  await server.call('PUT', `${stem}/b/providers/Test.Houses/houses/Plain`, { location: 'local' });
  const all = `${stem.slice(0, stem.lastIndexOf('/'))}/resources`;
  const tagged = await server.call(
    'GET',
    `${all}?$filter=${encodeURIComponent("tagName eq 'x' and tagValue eq '1'")}&$expand=createdTime`,
  );
  assert.deepEqual(
    tagged.body.value.map(({ name, createdTime }: { name: string; createdTime: string }) => [name, typeof createdTime]),
    [['Tagged', 'string']],
  );
  for (const path of [`${stem}?stage=x`, `${all}?$orderby=name`, `${stem}/a/providers/Test.Houses/houses?colour=red`]) {
    const refused = await server.call('GET', path);
    assert.deepEqual([refused.status, refused.body.error.code], [400, 'InvalidQueryParameterValue'], path);
    assert.match(refused.body.error.message, /Leave it out; it takes/);
  }
  assert.equal((await server.call('GET', `${stem}?stage=`)).status, 200, 'nothing was asked');
  // A client adds to nextLink what is in it already.
  const first = await server.call('GET', `${stem}?$top=1`);
  const second = await server.call('GET', `${first.body.nextLink}&$top=1&api-version=2022-10-01`);
  assert.equal(second.status, 200, JSON.stringify(second.body));
  assert.equal(second.body.value[0].name, 'b');
});
