// What the procedures of the resource manager act through.

import type { Grant, Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database, Tx } from '#kernel/database/database';
import type { Log } from '#kernel/log/log';
import type { NewTask } from '#kernel/tasks/tasks';
import type { Turns } from '#kernel/turns/turns';
import type { Catalog } from './catalog.service.ts';
import type { Homes } from './homes.service.ts';

/** The port to the directory: a system-assigned identity lives and dies with its resource. Both are idempotent. */
export type Identities = {
  create(resource: { readonly resourceId: string; readonly name: string }): Promise<{
    readonly objectId: string;
    readonly tenantId: string;
  }>;
  /** Of the resource, and of whatever lay below it: where a home did not open any more its children went without a word. */
  remove(resourceId: string): Promise<void>;
};

/** Told after what stood behind a resource is gone; whatever was attached at or below its id goes too. Idempotent. */
export type RemovalListener = (grant: Grant, id: string) => Promise<void>;

/** Names what outside of `id` stands on it, or on something below: it must not be removed under them. */
export type Holders = (id: string) => Promise<readonly string[]>;

export type Subscription = {
  readonly id: string;
  readonly displayName: string;
  readonly tenantId: string;
  readonly location: string;
};

export type Ports = {
  readonly control: Database;
  readonly homes: Homes;
  readonly catalog: Catalog;
  readonly clock: Clock;
  readonly grants: Pick<Grants, 'also' | 'mayAlso' | 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly identities: Identities;
  /** One procedure at a time for each resource. A crash drops the turns; what it left half-way is recognised by its state and its holder. */
  readonly turns: Turns;
  readonly log: Log;
  readonly subscription: Subscription;
  /** Names this process; what another holder left half-way is nobody's. */
  readonly holder: string;
  readonly enqueue: (tx: Tx, task: NewTask) => Promise<number>;
  readonly listeners: readonly RemovalListener[];
  readonly holders: readonly Holders[];
};
