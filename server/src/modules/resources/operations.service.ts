// Long-running operations: accepted in the transaction that makes them necessary, done by a durable task, resumed after a
// crash. An operation ends exactly once; what it does may run several times. The task acts by a
// duty, and its record says for whom.

import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Actor } from '#kernel/authority/actor';
import { randomUuid } from '#kernel/crypto/random';
import type { Database, Tx } from '#kernel/database/database';
import { asFailure, failureAgain } from '#kernel/errors/failure';
import { notGrowing } from '#kernel/files/growth';
import type { TaskHandler } from '#kernel/tasks/tasks';
import { amend } from './amend.store.ts';
import { resourcesDuties } from './duties.ts';
import type { RestingState } from './kind.types.ts';
import {
  endOperation,
  findOperation,
  insertOperation,
  type Operation,
  type OperationFailure,
} from './operations.store.ts';
import type { Ports } from './ports.types.ts';
import type { Provisioning } from './provisioning.service.ts';
import { holdersOf } from './removal/holders.step.ts';
import type { Removal } from './removal/removal.service.ts';
import { resourcesFailures } from './resources.errors.ts';
import { findResource, type Stored } from './resources.store.ts';
import { isBusy } from './state.rules.ts';

export type { Operation } from './operations.store.ts';

export const operationTask = 'resources.operation';
const keepDays = 7;
/** After this many attempts a passing trouble is no longer taken for one. */
const attemptsMax = 5;
const inUse = 'ResourceInUse';
const passing = new Set(['unavailable', 'throttled', 'timeout', 'internal']);

export function createOperations(
  ports: Ports,
  work: { readonly provisioning: Provisioning; readonly removal: () => Removal },
) {
  const { control, homes, clock, acts, turns, log } = ports;
  const running = new Map<string, Promise<void>>();

  /**
   * Stores an operation, its task, and by `persist` the row that is its subject. One transaction where they share a
   * database. Otherwise the task comes first: should the row not follow, the task finds none and ends the operation.
   */
  async function accept(
    actor: Actor,
    { verb, refusedState }: Pick<Operation, 'verb' | 'refusedState'>,
    home: Database,
    resourceId: string,
    persist: (tx: Tx, operationId: string) => Promise<unknown>,
  ): Promise<Operation> {
    const now = clock.now();
    const operation: Operation = {
      id: randomUuid(),
      resourceId,
      verb,
      refusedState,
      status: 'InProgress',
      actorId: actor.objectId,
      actorTenant: actor.tenantId,
      startedAt: now.toISOString(),
      endedAt: undefined,
      error: undefined,
    };
    const pruneBefore = new Date(now.getTime() - keepDays * 86_400_000).toISOString();
    await control.write(async (tx) => {
      await insertOperation(tx, operation, pruneBefore);
      await ports.enqueue(tx, { name: operationTask, subject: resourceId, payload: { operationId: operation.id } });
      if (home === control) await persist(tx, operation.id);
    });
    if (home !== control) await home.write((tx) => persist(tx, operation.id));
    return operation;
  }

  async function end(id: string, error: OperationFailure | undefined): Promise<void> {
    await control.write((tx) => endOperation(tx, id, { at: clock.now().toISOString(), error }));
  }

  /** Does the work of an operation, once at a time. Throws only what is worth another attempt, and never when it is the last. */
  function run(id: string, isLast: boolean): Promise<void> {
    const present = running.get(id);
    if (present) return present;
    // Accepted already: it comes to its end, whatever that is.
    const mine = notGrowing(() => perform(id, isLast)).finally(() => void running.delete(id));
    running.set(id, mine);
    return mine;
  }

  async function perform(id: string, isLast: boolean): Promise<void> {
    const operation = await findOperation(control, id);
    if (operation === undefined || operation.status !== 'InProgress') return;
    const { resourceId } = operation;
    try {
      const home = await homes.of(resourceId);
      // Behind whoever accepted it: the row may be about to be written.
      const stored = await turns(resourceId, () => findResource(home.read, resourceId));
      if (operation.verb === 'create') await create(operation, home, stored);
      else if (stored?.operationId === id) await remove(operation, home, stored);
      await end(id, undefined);
    } catch (thrown) {
      const failure = asFailure(thrown);
      if (!isLast && (passing.has(failure.kind) || failure.code === inUse)) throw thrown;
      if (failure.status >= 500)
        log.error({ module: 'resources', operation: id, error: failure }, 'an operation failed');
      // What a kind refuses to remove goes on as it was; whatever else fails is to be repaired.
      await markEnded(operation, failure.status < 500 ? operation.refusedState : 'Failed');
      await end(id, { kind: failure.kind, code: failure.code, message: failure.message });
    }
  }

  async function create(operation: Operation, home: Database, stored: Stored | undefined): Promise<void> {
    if (stored?.operationId !== operation.id) throw resourcesFailures.OperationAbandoned();
    if (stored.resource.provisioningState !== 'Creating') return;
    const { resource } = stored;
    await acts.duty(
      resourcesDuties.finishCreation(resource.type),
      {
        operation: 'Resources_FinishCreation',
        action: actionsOfType(resource.type).write,
        scope: resource.id,
        parameters: { operationId: operation.id, askedBy: operation.actorId },
      },
      (grant) => work.provisioning.provision(grant, home, resource),
    );
  }

  async function remove(operation: Operation, home: Database, { resource }: Stored): Promise<void> {
    // Before anything below it goes. Clients that clear away a workspace delete what it stands on first, and the workspace right
    // after: so a removal that is refused for this is tried again, for some fifteen seconds, and then refused for good.
    const holders = await holdersOf(ports, resource.id);
    if (holders.length > 0) throw resourcesFailures.ResourceInUse(resource.id, holders);
    await acts.duty(
      resourcesDuties.finishRemoval(resource.type),
      {
        operation: 'Resources_FinishRemoval',
        action: actionsOfType(resource.type).remove,
        scope: resource.id,
        parameters: { operationId: operation.id, askedBy: operation.actorId },
      },
      (grant) => work.removal().finish(grant, home, resource),
    );
  }

  async function markEnded(operation: Operation, provisioningState: RestingState): Promise<void> {
    try {
      const home = await homes.of(operation.resourceId);
      const stored = await findResource(home.read, operation.resourceId);
      if (stored?.operationId === operation.id) await amend(home, stored.resource, { provisioningState });
    } catch (error) {
      log.warn(
        { module: 'resources', operation: operation.id, error },
        'a failed operation could not mark its resource',
      );
    }
  }

  /** To its end, whatever it is. An attempt of the task that is under way is waited for, and is then the one before last. */
  async function finish(id: string): Promise<void> {
    if (running.has(id)) await run(id, true).catch(() => undefined);
    await run(id, true);
  }

  async function giveUp(id: string): Promise<void> {
    const operation = await findOperation(control, id);
    if (operation?.status !== 'InProgress') return;
    await markEnded(operation, 'Failed');
    const message = 'The operation was given up: the server stopped each time it was tried. See its log.';
    await end(id, { kind: 'internal', code: 'OperationGivenUp', message });
  }

  /** Whether somebody is at work by this operation, or will be. */
  const isUnderWay = async (id: string) => (await findOperation(control, id))?.status === 'InProgress';

  /** Somebody is at work on it; an operation that has ended is nobody, whatever the row says. */
  async function isAtWork(stored: Stored): Promise<boolean> {
    if (!isBusy(ports, stored)) return false;
    return stored.operationId === undefined || isUnderWay(stored.operationId);
  }

  /** Waits until it is done, and throws what it failed with. */
  async function ended({ id, resourceId }: Operation): Promise<void> {
    await finish(id);
    const { error } = (await findOperation(control, id)) ?? {};
    if (error !== undefined) throw failureAgain(error, resourceId);
  }

  const handler: TaskHandler = async (task) => {
    const { payload } = task;
    const id =
      typeof payload === 'object' && payload !== null && 'operationId' in payload ? payload.operationId : undefined;
    if (typeof id !== 'string') throw new Error('the task holds no operation');
    // Only a process that died in the last attempt leads here: what kills the server is not tried for ever.
    if (task.attempt > attemptsMax) await giveUp(id);
    else await run(id, task.attempt >= attemptsMax);
  };

  return {
    accept,
    handler,
    isAtWork,
    ended,
    find: (id: string) => findOperation(control, id),
    finish,
  };
}
export type Operations = ReturnType<typeof createOperations>;
