// The one procedure for every resource of every kind, as its list of steps in their order: each is its file. One at a time for
// each resource. Authorization was decided before: by the route's action, or by the guard for other modules.

import type { Lookup } from '../lookup.service.ts';
import type { Operations } from '../operations.service.ts';
import type { Ports } from '../ports.types.ts';
import type { Provisioning } from '../provisioning.service.ts';
import type { Removal } from '../removal/removal.service.ts';
import { createContainer } from './container.step.ts';
import { content, refuseReplacement } from './content.step.ts';
import { createFind } from './find.step.ts';
import { createName } from './name.step.ts';
import { createParentReady, createParentStillReady } from './parent.step.ts';
import { checkPreconditions } from './preconditions.step.ts';
import { createProvision } from './provision.step.ts';
import type { Asked, Named, Put, Rowed, Ruled } from './put.types.ts';
import { createReplace } from './replace.step.ts';
import { createRow } from './row.step.ts';
import { keepRules } from './rules.step.ts';

export function createPut(
  ports: Ports,
  deps: {
    readonly lookup: Lookup;
    readonly provisioning: Provisioning;
    readonly removal: Removal;
    readonly operations: Operations;
  },
): (asked: Asked) => Promise<Put> {
  const { operations } = deps;
  const name = createName(ports);
  const inContainer = createContainer(ports, deps, put);
  const parentReady = createParentReady(deps);
  const find = createFind(deps);
  const row = createRow(ports, deps);
  const parentStillReady = createParentStillReady(deps);
  const provision = createProvision(ports, deps);
  const replace = createReplace(ports, deps);

  async function put(asked: Asked): Promise<Put> {
    const named = name(asked);
    return inContainer(named, async () => {
      const done = await ports.turns(named.id, () => putInTurn(named));
      return asked.how.wait ? ended(done) : done;
    });
  }

  async function putInTurn(named: Named): Promise<Put> {
    const placed = await parentReady(named);
    const found = await find(placed);
    checkPreconditions(found.how, found.existing);
    const drafted = content(found);
    refuseReplacement(drafted);
    const ruled = await keepRules(drafted);
    if (ruled.replaces !== undefined)
      return { resource: await replace(ruled, ruled.replaces), created: false, operation: undefined };
    return create(ruled);
  }

  /** What is new is stored before anything is made behind it; what is replaced is stored after. */
  async function create(ruled: Ruled): Promise<Put> {
    const rowed: Rowed = await row(ruled);
    await parentStillReady(rowed);
    return { ...(await provision(rowed)), created: true };
  }

  async function ended(done: Put): Promise<Put> {
    if (done.operation === undefined) return done;
    await operations.ended(done.operation);
    return { ...done, operation: undefined, resource: (await deps.lookup.find(done.resource.id)) ?? done.resource };
  }

  return put;
}
