// What a living workspace stands on is not removed under it, by whatever way; and what removes the workspace too still works,
// also for clients that remove what it stands on first.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { closeScanPool } from '#kernel/database/database';
import { type Lab, openLab } from '../../../test/lab/lab.fixture.ts';

after(() => closeScanPool());

const names = ['storageAccount', 'keyVault', 'containerRegistry'] as const;

async function standing(lab: Lab, id: string): Promise<readonly string[]> {
  const { properties } = (await lab.must(lab.owner, 'GET', id)).body;
  return names.map((name) => properties[name]);
}
const statuses = async (lab: Lab, ids: readonly string[]) => {
  const found: number[] = [];
  for (const id of ids) found.push((await lab.call(lab.owner, 'GET', id)).status);
  return found;
};

test('the vault, account or registry of a living workspace is not removed, and the refusal names the workspace', async (t) => {
  const lab = await openLab(t);
  const id = await lab.workspace('Vision');
  const { resources, system } = lab.now();
  for (const on of await standing(lab, id)) {
    const asked = await lab.call(lab.owner, 'DELETE', on);
    assert.equal(asked.status, 202);
    assert.equal(asked.body.error.code, 'ResourceInUse');
    assert.match(asked.body.error.message, /the workspace 'Vision' stands on it/);
    await assert.rejects(resources.remove(system, on), { code: 'ResourceInUse' });
    assert.equal((await lab.must(lab.owner, 'GET', on)).body.properties.provisioningState, 'Succeeded');
  }
  // Gone with the workspace itself.
  const stood = await standing(lab, id);
  await resources.remove(system, id);
  assert.deepEqual(await statuses(lab, [id, ...stood]), [404, 404, 404, 404]);
});

test('what was given to a workspace goes after it, also when it was asked for before', async (t) => {
  const lab = await openLab(t);
  const giver = await lab.workspace('Giver');
  const given = await standing(lab, giver);
  const taker = await lab.workspace('Taker', Object.fromEntries(names.map((name, at) => [name, given[at]])));
  const { resources, system } = lab.now();
  // What the giver made for itself would go with it, under the other.
  await assert.rejects(resources.remove(system, giver), { code: 'ResourceInUse', message: /'Taker'/ });
  await lab.now().workspaces.database(system, giver);
  assert.deepEqual(await statuses(lab, [giver, ...given]), [200, 200, 200, 200]);

  for (const on of given) assert.equal((await lab.call(lab.owner, 'DELETE', on)).status, 202);
  await resources.remove(system, giver).catch(() => undefined);
  await resources.remove(system, taker);
  await resources.remove(system, giver);
  for (const on of given) await resources.remove(system, on);
  assert.deepEqual(await statuses(lab, [taker, giver, ...given]), [404, 404, 404, 404, 404]);
});

test('a group goes with its workspaces, and not under a workspace of another group', async (t) => {
  const lab = await openLab(t);
  const giver = await lab.workspace('Giver');
  const given = await standing(lab, giver);
  const shared = Object.fromEntries(names.map((name, at) => [name, given[at]]));
  await lab.workspace('Beside', shared);
  const group = giver.slice(0, giver.indexOf('/providers/'));
  const attic = `${group}-attic`;
  await lab.must(lab.owner, 'PUT', attic, { body: { location: 'local' } });
  const { resources, system } = lab.now();
  const other = `${attic}/providers/Microsoft.MachineLearningServices/workspaces/Other`;
  await resources.put(system, other, { location: 'local', properties: shared });
  await assert.rejects(resources.remove(system, group), { code: 'ResourceInUse', message: /'Other'/ });
  assert.deepEqual(await statuses(lab, [giver, ...given]), [200, 200, 200, 200]);
  await resources.remove(system, attic);
  await resources.remove(system, group);
  assert.deepEqual(await statuses(lab, [group, giver, ...given]), [404, 404, 404, 404, 404]);
});
