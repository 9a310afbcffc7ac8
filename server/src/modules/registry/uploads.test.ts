import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import { testActor, testGrant } from '#kernel/testing/authority';
import type { Content } from './content.service.ts';
import { createRegistries } from './registries.service.ts';
import { createUploads, uploadLimits } from './uploads.service.ts';

const registry = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/reg01';

test('of uploads that are begun at once no more are open than one caller may have', async () => {
  const registries = createRegistries();
  registries.add({ id: registry, name: 'reg01', uniqueId: 'u' });
  const opened = Promise.withResolvers<void>();
  const content = {
    // A registry that nobody used yet is opened first, and everybody waits for that.
    async within(_grant, _ref, act) {
      await opened.promise;
      return await act({} as never); // nothing of it is looked at where an upload begins
    },
  } satisfies Partial<Content>;
  const uploads = createUploads({ registries, content: content as unknown as Content, clock: systemClock });
  const ref = { registry, repository: 'a' };
  const begun = Array.from({ length: uploadLimits.perCaller + 20 }, () =>
    uploads.begin(testGrant({ scope: registry }), ref),
  );
  opened.resolve();
  const refused = (await Promise.allSettled(begun)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  assert.equal(refused.length, 20);
  assert.ok(refused.every((one) => one instanceof Failure && one.code === 'TOOMANYREQUESTS'));
});

test('callers who hold what they may keep nobody out who holds nothing', async () => {
  const registries = createRegistries();
  registries.add({ id: registry, name: 'reg01', uniqueId: 'u' });
  const content: Pick<Content, 'within'> = { within: async (_grant, _ref, act) => await act({} as never) }; // as above
  const uploads = createUploads({ registries, content: content as Content, clock: systemClock });
  const ref = { registry, repository: 'a' };
  const begin = (objectId: string) =>
    uploads.begin(testGrant({ scope: registry, actor: { ...testActor, objectId } }), ref);
  const filled = async (objectId: string) => {
    for (let begun = 0; ; begun++) if (!(await begin(objectId).then(Boolean, () => false))) return begun;
  };
  const held: number[] = [];
  for (let caller = 0; caller < 8; caller++) held.push(await filled(`greedy-${caller}`));
  assert.equal(held[0], uploadLimits.perCaller);
  assert.ok(
    held.every((each) => each > 0),
    held.join(),
  );
  await begin('modest');
});
