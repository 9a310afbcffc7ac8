// @azure/arm-monitor: the activity log tells who did what, also what was refused.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MonitorClient } from '@azure/arm-monitor';
import { all, bootstrap, credential, makeGroup, resources } from '../harness/bootstrap.ts';

const monitor = new MonitorClient(credential, bootstrap.subscriptionId, { endpoint: bootstrap.url });
const lately = () => `eventTimestamp ge '${new Date(Date.now() - 3_600_000).toISOString()}'`;

describe('@azure/arm-monitor', () => {
  it('the activity log names who made a group, from where, and that it succeeded', async () => {
    const group = await makeGroup('monitor');
    const filter = `${lately()} and resourceGroupName eq 'monitor'`;
    const events = await all(monitor.activityLogs.list(filter));
    const made = events.find((event) => /resourceGroups\/write$/i.test(event.operationName?.value ?? ''));
    assert.ok(made, 'an event for the write');
    assert.equal(made.caller, 'strongroom-automation');
    assert.equal(made.resourceId?.toLowerCase(), group.toLowerCase());
    assert.equal(made.status?.value, 'Succeeded');
    assert.ok(made.eventTimestamp instanceof Date && Date.now() - made.eventTimestamp.getTime() < 3_600_000);
  });

  it('what failed is there too, by its correlation', async () => {
    const group = await makeGroup('monitor-failed');
    const vault = `${group}/providers/Microsoft.KeyVault/vaults/other-tenant`;
    const properties = { tenantId: '11111111-1111-4111-8111-111111111111', sku: { family: 'A', name: 'standard' } };
    const body = { location: bootstrap.location, properties };
    await assert.rejects(resources.resources.beginCreateOrUpdateByIdAndWait(vault, '2023-07-01', body));
    const filter = `${lately()} and resourceGroupName eq 'monitor-failed'`;
    const events = (await all(monitor.activityLogs.list(filter))).filter((item) =>
      /vaults/i.test(item.resourceId ?? ''),
    );
    assert.ok(events.some((event) => event.status?.value === 'Failed'));
    const [event] = events;
    const same = await all(monitor.activityLogs.list(`${lately()} and correlationId eq '${event?.correlationId}'`));
    assert.ok(same.some((item) => item.eventDataId === event?.eventDataId));
  });

  it('a filter that cannot be read is refused with a reason', async () => {
    await assert.rejects(all(monitor.activityLogs.list('nonsense')), { statusCode: 400 });
  });
});
