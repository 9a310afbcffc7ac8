import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#kernel/clock/clock';
import { Failure } from '#kernel/errors/failure';
import { testGrant } from '#kernel/testing/authority';
import type { Content } from './content.service.ts';
import { createRegistries } from './registries.service.ts';
import { createUploads, uploadLimits } from './uploads.service.ts';

test('of uploads that are begun at once no more are open than one caller may have', async () => {
  const registries = createRegistries();
  const registry = '/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/reg01';
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
