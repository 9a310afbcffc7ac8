// Every commit fails once, in turn: whatever a request was told, after a restart nothing is left half-way, nothing stands
// without its parent, and everything can be made and removed again.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool, type Database, tables } from '#kernel/database/database';
import { failNth } from '#kernel/files/faults';
import { parentId } from '#kernel/ids/ids';
import { groupId, houseId, openWorld, type Server, type World } from './resources.fixture.ts';
import type { ResourceTables } from './resources.store.ts';

after(() => closeScanPool());

const chair = `${houseId}/chairs/a`;

async function live(server: Server): Promise<void> {
  const steps: (() => Promise<unknown>)[] = [
    () => server.call('PUT', groupId, { location: 'local' }),
    () => server.call('PUT', houseId, { location: 'local', identity: { type: 'SystemAssigned' } }),
    () => server.tasks.drain(),
    () => server.call('PUT', chair, { properties: { legs: 4 } }),
    () => server.call('PATCH', chair, { properties: { legs: 3 } }),
    () => server.call('DELETE', chair),
    () => server.call('PUT', chair, { properties: { legs: 4 } }),
    () => server.call('DELETE', houseId),
    () => server.tasks.drain(),
  ];
  for (const step of steps) await step().catch(() => undefined);
}

const rowsOf = (database: Database) =>
  tables<ResourceTables>(database.read).selectFrom('resources').select(['id', 'state']).execute();

async function settle(world: World, server: Server): Promise<void> {
  // Leases of the failed attempts run out, and their tasks are due again.
  for (let round = 0; round < 6; round++) {
    await world.clock.advance(120_000);
    await server.tasks.drain();
  }
}

for (const ownHome of [false, true]) {
  test(`a commit that fails leaves nothing half-way${ownHome ? ', with a home of its own' : ''}`, async (t) => {
    const counted = failNth(0, ({ step }) => step === 'commit');
    await live(await (await openWorld(t, { ownHome, faults: counted.faults })).start());
    assert.ok(counted.seen() > 10);
    for (let nth = 1; nth <= counted.seen(); nth++) {
      const world = await openWorld(t, { ownHome, faults: failNth(nth, ({ step }) => step === 'commit').faults });
      await live(await world.start());
      const server = await world.start();
      await settle(world, server);
      await server.call('GET', chair);
      await server.stop?.();
      const rows = [...(await rowsOf(world.control)), ...(world.home ? await rowsOf(world.home) : [])];
      for (const { id, state } of rows) {
        assert.ok(state === 'Succeeded' || state === 'Failed', `commit ${nth} left ${id} ${state}`);
        const parent = parentId(id);
        assert.ok(
          id === groupId || rows.some((row) => row.id === parent),
          `commit ${nth} left ${id} without its parent`,
        );
      }
      await server.call('PUT', groupId, { location: 'local' });
      await server.call('PUT', houseId, { location: 'local' });
      await server.tasks.drain();
      const made = await server.call('PUT', chair, { properties: { legs: 4 } });
      assert.ok([200, 201].includes(made.status), `commit ${nth}: ${JSON.stringify(made.body)}`);
      await server.call('DELETE', groupId);
      await server.tasks.drain();
      assert.equal((await server.call('HEAD', groupId)).status, 404, `commit ${nth}`);
      assert.deepEqual(await rowsOf(world.home ?? world.control), []);
      assert.equal(server.identities.size, 0);
    }
  });
}
