// Containers of an account. They live in the account's index and nowhere else: the management API and the blob protocol
// see the same ones.

import type { Grant } from '#kernel/authority/grant';
import type { Clock } from '#kernel/clock/clock';
import { randomBytes } from '#kernel/crypto/random';
import type { Database } from '#kernel/database/database';
import type { Accounts } from './accounts.service.ts';
import { type Conditions, requireWritable } from './conditions.rules.ts';
import * as store from './containers.store.ts';
import { type Metadata, requireContainerName, requireMetadata, requirePrefix } from './names.rules.ts';
import type { OpenedAccount, OpenedAccounts } from './opened-accounts.service.ts';
import { type ContainerRef, requireAccountScope, requireScope } from './scopes.rules.ts';
import { storageFailures } from './storage.errors.ts';
import { removeContainer } from './upkeep.service.ts';

export type Container = Omit<store.Container, 'isDeleting'>;

export type Containers = {
  /** Makes the container if it is missing. */
  ensureContainer(grant: Grant, account: string, container: string): Promise<void>;
  /** Throws `conflict` ContainerAlreadyExists. */
  createContainer(grant: Grant, ref: ContainerRef, metadata: Metadata): Promise<Container>;
  /** Makes it, or replaces its metadata where some are given. */
  putContainer(
    grant: Grant,
    ref: ContainerRef,
    metadata: Metadata | undefined,
  ): Promise<{ readonly container: Container; readonly created: boolean }>;
  /** Throws `notFound`, `precondition`. */
  setContainerMetadata(
    grant: Grant,
    ref: ContainerRef,
    metadata: Metadata,
    conditions?: Conditions,
  ): Promise<Container>;
  getContainer(grant: Grant, ref: ContainerRef): Promise<Container>;
  listContainers(
    grant: Grant,
    query: { readonly account: string; readonly prefix?: string; readonly marker?: string; readonly limit: number },
  ): Promise<{ readonly containers: readonly Container[]; readonly nextMarker: string | undefined }>;
  /** With every blob in it. Idempotent over a crash: a container half deleted takes no calls, and deleting goes on. */
  deleteContainer(grant: Grant, ref: ContainerRef, conditions?: Conditions): Promise<void>;
};

export const newEtag = () => `"0x${Buffer.from(randomBytes(8)).toString('hex').toUpperCase()}"`;

/** Throws `notFound`, or `conflict` while it is being deleted. */
export async function requireContainer(tx: Database['read'], name: string): Promise<store.Container> {
  const container = await store.findContainer(tx, name);
  if (container === undefined) throw storageFailures.ContainerNotFound();
  if (container.isDeleting) throw storageFailures.ContainerBeingDeleted();
  return container;
}

export function createContainers(deps: {
  readonly accounts: Accounts;
  readonly opened: OpenedAccounts;
  readonly clock: Clock;
}): Containers {
  const { accounts, opened, clock } = deps;

  function within<R>(grant: Grant, ref: ContainerRef, act: (opened: OpenedAccount) => Promise<R>): Promise<R> {
    requireScope(grant, ref);
    requireContainerName(ref.container);
    return opened.use(accounts.byId(ref.account), act);
  }

  async function insert(index: Database, name: string, metadata: Metadata): Promise<Container | undefined> {
    const container = { name, metadata, etag: newEtag(), lastModified: clock.now(), isDeleting: false };
    return (await index.write((tx) => store.insertContainer(tx, container))) ? container : undefined;
  }

  async function replaceMetadata(
    index: Database,
    name: string,
    metadata: Metadata,
    conditions: Conditions = {},
  ): Promise<Container> {
    requireMetadata(metadata);
    return await index.write(async (tx) => {
      const present = await requireContainer(tx, name);
      requireWritable(conditions, present);
      const container = { ...present, metadata, etag: newEtag(), lastModified: clock.now() };
      await store.updateContainer(tx, container);
      return container;
    });
  }

  return {
    ensureContainer: async (grant, account, container) =>
      within(grant, { account, container }, async ({ index }) => {
        const present = await store.findContainer(index.read, container);
        if (present?.isDeleting) throw storageFailures.ContainerBeingDeleted();
        if (present === undefined) await insert(index, container, {});
      }),
    createContainer: async (grant, ref, metadata) =>
      within(grant, ref, async ({ index }) => {
        requireMetadata(metadata);
        const made = await insert(index, ref.container, metadata);
        if (made !== undefined) return made;
        await requireContainer(index.read, ref.container);
        throw storageFailures.ContainerAlreadyExists();
      }),
    setContainerMetadata: async (grant, ref, metadata, conditions) =>
      within(grant, ref, ({ index }) => replaceMetadata(index, ref.container, metadata, conditions)),
    putContainer: async (grant, ref, metadata) =>
      within(grant, ref, async ({ index }) => {
        requireMetadata(metadata ?? {});
        const made = await insert(index, ref.container, metadata ?? {});
        if (made !== undefined) return { container: made, created: true };
        const container =
          metadata === undefined
            ? await requireContainer(index.read, ref.container)
            : await replaceMetadata(index, ref.container, metadata);
        return { container, created: false };
      }),
    getContainer: async (grant, ref) => within(grant, ref, ({ index }) => requireContainer(index.read, ref.container)),
    async listContainers(grant, { account, prefix = '', marker = '', limit }) {
      requireAccountScope(grant, account);
      requirePrefix(prefix);
      return await opened.use(accounts.byId(account), async ({ index }) => {
        const found = await store.listContainers(index.read, { prefix, after: marker, limit: limit + 1 });
        const page = found.slice(0, limit);
        return { containers: page, nextMarker: found.length > limit ? page.at(-1)?.name : undefined };
      });
    },
    deleteContainer: async (grant, ref, conditions = {}) =>
      within(grant, ref, async ({ index, sealed }) => {
        // order matters: judged in the transaction that lets no call in any more, and before the first blob goes.
        await index.write(async (tx) => {
          const container = await store.findContainer(tx, ref.container);
          if (container === undefined) throw storageFailures.ContainerNotFound();
          if (container.isDeleting) return;
          requireWritable(conditions, container);
          await store.markDeleting(tx, ref.container);
        });
        await removeContainer(index, sealed, ref.container);
      }),
  };
}
