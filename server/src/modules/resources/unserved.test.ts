// What is not served goes the way that its kind chose: refused by name, kept and shown, or ignored. Through the door.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Type } from '@strongroom/contract/schema';
import { closeScanPool } from '#kernel/database/database';
import { furnish, groupId, houseId, openWorld } from './resources.fixture.ts';
import { isHarmless, mistakesIn, saysNoMore } from './unserved.ts';

after(() => closeScanPool());

const house = (properties: object, envelope: object = {}) => ({ location: 'local', ...envelope, properties });

describe('refused', () => {
  it('names the property and what to do instead, in a PUT and in a PATCH, and makes nothing', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    const put = await server.call('PUT', houseId, house({ isLocked: true }));
    assert.equal(put.status, 400);
    assert.deepEqual(put.body.error, {
      code: 'PropertyNotServed',
      message: 'properties.isLocked is not served as asked. Doors have no locks. Leave isLocked out.',
      target: 'properties.isLocked',
      details: [
        {
          code: 'PropertyNotServed',
          target: 'properties.isLocked',
          message: 'Doors have no locks. Leave isLocked out.',
        },
      ],
    });
    assert.equal((await server.call('GET', houseId)).status, 404);
    await server.call('PUT', houseId, house({ colour: 'red' }));
    await server.tasks.drain();
    const before = (await server.call('GET', houseId)).body;
    const patch = await server.call('PATCH', houseId, { properties: { colour: 'blue', isLocked: true } });
    assert.deepEqual([patch.status, patch.body.error.target], [400, 'properties.isLocked']);
    assert.deepEqual((await server.call('GET', houseId)).body, before);
  });

  it('says once what is the same for several, in the order of the kind', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    const { body } = await server.call('PUT', houseId, house({ moat: 1, garden: { size: 1, wall: { height: 2 } } }));
    assert.equal(
      body.error.message,
      'properties.garden.wall, properties.moat are not served as asked. Nobody builds walls. Leave the wall out and plant a hedge.',
    );
  });

  it('lets through what is so anyway or asks for nothing, and shows what is so', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    for (const isLocked of [false, 'NO', null, '', [], {}, { at: null, by: [] }]) {
      const { status, body } = await server.call('PUT', houseId, house({ isLocked }));
      assert.ok(status < 300, JSON.stringify([isLocked, body]));
      assert.equal(body.properties.isLocked, false);
      await server.tasks.drain();
    }
    for (const isLocked of [{ by: {} }, [null], 0, 'none'])
      assert.equal((await server.call('PUT', houseId, house({ isLocked }))).status, 400, JSON.stringify(isLocked));
  });

  it('holds for the members of the envelope', async (t) => {
    const server = await (await openWorld(t)).start();
    await furnish(server);
    const chair = { properties: { legs: 4 } };
    for (const [name, value] of Object.entries({
      managedBy: '/some/resource',
      zones: ['1'],
      extendedLocation: { name: 'edge', type: 'EdgeZone' },
      plan: { name: 'p' },
      identity: { type: 'SystemAssigned' },
    })) {
      const refused = await server.call('PUT', `${houseId}/chairs/a`, { ...chair, [name]: value });
      assert.deepEqual([refused.status, refused.body.error.code], [400, 'PropertyNotServed'], name);
      assert.equal(refused.body.error.target, name);
    }
    const none = { managedBy: null, zones: [], extendedLocation: {}, plan: null, identity: { type: 'none' } };
    assert.equal((await server.call('PUT', `${houseId}/chairs/a`, { ...chair, ...none })).status, 201);
    const assigned = { type: 'UserAssigned', userAssignedIdentities: { '/no/such/identity': {} } };
    for (const identity of [
      assigned,
      { ...assigned, type: 'SystemAssigned' },
      { type: 'SystemAssigned, UserAssigned' },
      { type: 'systemassigned', userAssignedIdentities: 'x' },
    ]) {
      const refused = await server.call('PUT', houseId, house({}, { identity }));
      assert.equal(refused.status, 400, JSON.stringify(identity));
      assert.match(refused.body.error.message, /user-assigned identities are not served/);
    }
    assert.equal((await server.call('PUT', houseId, house({}, { identity: { tpye: 'None' } }))).status, 400);
    assert.equal((await server.call('PATCH', houseId, { managedBy: '/some/resource' })).status, 400);
  });
});

describe('kept', () => {
  it('is shown as it was sent, with the reason why it has no effect, and stays across a PATCH and a restart', async (t) => {
    const world = await openWorld(t);
    const server = await world.start();
    await server.call('PUT', groupId, { location: 'local' });
    const sent = { colour: 'red', heating: { gas: true }, garden: { size: 1, fence: { wood: 2 } } };
    const made = await server.call('PUT', houseId, house(sent, { sku: { name: 'Big', capacity: 3 } }));
    assert.equal(made.headers.get('warning'), null);
    const { provisioningState: _state, isLocked: _locked, shownOnly: _only, ...shown } = made.body.properties;
    assert.deepEqual(shown, sent);
    assert.deepEqual(made.body.strongroom, {
      withoutEffect: {
        'properties.heating': 'It is warm anyway.',
        'properties.garden.fence': 'Nobody climbs.',
        'properties.colour': 'Nobody looks.',
        sku: 'A sku names a price, and nothing is charged here.',
      },
    });
    await server.tasks.drain();
    const again = await world.start();
    const read = await again.call('GET', houseId);
    assert.deepEqual(read.body.properties.garden, sent.garden);
    const patched = await again.call('PATCH', houseId, { properties: { garden: { size: 2 } } });
    assert.deepEqual(patched.body.properties.garden, { size: 2, fence: { wood: 2 } });
    assert.deepEqual(patched.body.sku, { name: 'Big', capacity: 3 });
    const taken = await again.call('PATCH', houseId, { properties: { heating: null, garden: { fence: { wood: 9 } } } });
    assert.deepEqual([taken.body.properties.heating, taken.body.properties.garden.fence], [undefined, { wood: 9 }]);
    const replaced = await again.call('PUT', houseId, house({}));
    assert.deepEqual(replaced.body.properties.garden, undefined);
    assert.equal((await again.call('PUT', houseId, read.body)).status, 200, 'an answer can be sent back');
  });

  it('is told from a property whose name has the dot in it, which is unknown', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    for (const name of ['garden.fence', 'garden.size', 'heating[0]']) {
      const { status, body } = await server.call('PUT', houseId, house({ [name]: { wood: 1 } }));
      assert.deepEqual([status, body.error.code], [400, 'InvalidRequestContent'], name);
      assert.equal(body.error.details[0].target, `properties.['${name}']`);
    }
    const wall = await server.call('PUT', houseId, house({ 'garden.wall': { height: 0 }, doorbell: 1 }));
    assert.deepEqual([wall.status, wall.body.error.details.length], [400, 1]);
  });

  it('has a shape', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    for (const properties of [
      { heating: 'on' },
      { heating: { gas: 1 } },
      { heating: { oil: true } },
      { garden: { size: 1, fence: {} } },
      { garden: { size: 1, fence: { wood: 1, wire: 1 } } },
    ]) {
      const refused = await server.call('PUT', houseId, house(properties));
      assert.deepEqual(
        [refused.status, refused.body.error.code],
        [400, 'InvalidRequestContent'],
        JSON.stringify(properties),
      );
      assert.match(refused.body.error.target, /^properties\./);
    }
  });
});

it('ignored is neither kept nor shown', async (t) => {
  const server = await (await openWorld(t)).start();
  await server.call('PUT', groupId, { location: 'local' });
  const { status, body } = await server.call('PUT', houseId, house({ doorbell: { tune: 'x' } }));
  assert.deepEqual([status, body.properties.doorbell, body.strongroom], [201, undefined, undefined]);
});

describe('what it is comes first', () => {
  it('another type is refused as one, whatever else is wrong', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    const { status, body } = await server.call(
      'PUT',
      houseId,
      house({ nope: 1, garden: { style: 'Zen', sand: true } }),
    );
    assert.deepEqual([status, body.error.code, body.error.details], [400, 'StyleNotServed', undefined]);
    const wrong = await server.call('PUT', houseId, house({ garden: { style: 7 } }));
    assert.equal(wrong.body.error.code, 'InvalidRequestContent');
  });

  it('words are taken in any case and shown in their own', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    const { body } = await server.call('PUT', houseId, house({ garden: { size: 1, style: 'eNGLISH' } }));
    assert.equal(body.properties.garden.style, 'English');
  });

  it('a null where none is taken is no other mistake', async (t) => {
    const server = await (await openWorld(t)).start();
    await server.call('PUT', groupId, { location: 'local' });
    const missing = await server.call('PUT', houseId, house({ garden: { size: null } }));
    assert.equal(missing.body.error.message, "The body is not valid: properties.garden needs 'size'.");
    assert.equal((await server.call('PUT', houseId, house({ garden: { size: 1, pond: null } }))).status, 201);
  });
});

describe('rules', () => {
  const rule = { because: 'B.', instead: 'I.' };

  it('a value asks for no more than another when all its parts are there', () => {
    const usual = { mode: 'Disabled', rules: {}, list: [{ a: 1 }], deep: { x: { y: false } } };
    for (const value of [
      usual,
      { list: [{ a: 1 }], mode: 'disabled' },
      { mode: null, deep: { x: { y: null } } },
      { deep: {} },
    ])
      assert.equal(saysNoMore(value, usual), true, JSON.stringify(value));
    for (const value of [
      { mode: 'Enabled' },
      { rules: { all: {} } },
      { list: [{ a: 1 }, { a: 1 }] },
      { list: [{ a: 2 }] },
      { more: 1 },
      { toString: 'x' },
      { deep: { x: { y: true } } },
      'Disabled',
      false,
    ])
      assert.equal(saysNoMore(value, usual), false, JSON.stringify(value));
    assert.equal(saysNoMore('ABC', 'abc', false), false);
    assert.equal(isHarmless(undefined, rule), true);
    assert.equal(isHarmless(false, rule), false);
  });

  it('an author’s mistakes are found before anything is served', () => {
    const properties = Type.Object({ known: Type.Optional(Type.Object({ inner: Type.Optional(Type.String()) })) });
    const because = 'Nobody looks.';
    const refusal = { because, instead: 'Leave it out.' };
    const mistakes = (unserved: Partial<Parameters<typeof mistakesIn>[2]>) =>
      mistakesIn('T', properties, { refused: {}, kept: {}, ignored: {}, ...unserved });
    assert.deepEqual(mistakes({ refused: { other: refusal, 'known.other': refusal } }), []);
    assert.match(mistakes({ refused: { known: refusal } })[0] ?? '', /never be looked at/);
    assert.match(mistakes({ refused: { 'unknown.other': refusal } })[0] ?? '', /does not know unknown/);
    assert.match(mistakes({ refused: { other: refusal }, ignored: { other: because } })[0] ?? '', /chosen twice/);
    assert.match(mistakes({ refused: { a: refusal }, ignored: { 'a.b': because } }).join(), /chosen already/);
    assert.match(mistakes({ kept: { other: { because } } })[0] ?? '', /does not know other/);
    assert.deepEqual(mistakes({ kept: { 'known.inner': { because } } }), []);
    assert.match(mistakes({ ignored: { other: '' } })[0] ?? '', /no sentence/);
  });
});
