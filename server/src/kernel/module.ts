// What a module hands to compose: a name and lists. Nothing here acts; compose mounts routes, runs migrations and starts
// tasks in the order of the dependency table.

import type { Duty } from '#kernel/authority/duty';
import type { MigrationSet } from '#kernel/database/database';
import type { FailureTable } from '#kernel/errors/failures';
import type { Route } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import type { TaskHandler } from '#kernel/tasks/tasks';

export type Module = {
  readonly name: string;
  readonly surfaces?: readonly Surface[];
  readonly routes?: readonly Route[];
  /** Tables of the control database. */
  readonly migrations?: MigrationSet;
  /** What it does without being asked. Printed in docs/duties.md. */
  readonly duties?: readonly Duty[];
  /** What it answers with when it does not do what was asked. Printed in docs/errors.md. */
  readonly failures?: FailureTable;
  readonly tasks?: Readonly<Record<string, TaskHandler>>;
  /** After every module is composed and migrated, before listening: repair what a crash left, load what is kept in memory. */
  start?(): Promise<void>;
  /** On a clean stop, in reverse order: close what was opened. */
  stop?(): Promise<void>;
};
