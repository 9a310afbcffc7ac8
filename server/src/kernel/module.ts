// What a module hands to compose: a name, its whole list, and its life. Compose reads nothing else of it when it mounts, starts and
// stops, so that adding to a module is adding to its list. Nothing here acts.

import type { Duty } from '#kernel/authority/duty';
import type { Grant } from '#kernel/authority/grant';
import type { SettingList } from '#kernel/config/setting';
import type { MigrationSet } from '#kernel/database/database';
import type { FailureTable } from '#kernel/errors/failures';
import type { Route } from '#kernel/http/route';
import type { Surface } from '#kernel/http/surface';
import type { TaskHandler } from '#kernel/tasks/tasks';
import type { Meter } from '#kernel/telemetry/meter';

/** Done between start and stop, never twice at once. */
export type Periodic = {
  /** As the log names it. */
  readonly name: string;
  readonly everyMs: number;
  /** Once with the start itself, too. */
  readonly atStart?: boolean;
  run(signal: AbortSignal): Promise<unknown>;
};

/** `Kind`: how the resource manager takes kinds of resources, of which the kernel knows nothing. */
export type Module<Kind = never> = {
  readonly name: string;
  readonly surfaces?: readonly Surface[];
  readonly routes?: readonly Route[];
  readonly kinds?: readonly Kind[];
  /** Tables of the control database, which is migrated before a module is made: compose refuses one that it was not given. */
  readonly migrations?: MigrationSet;
  /** Tables of every workspace's own database: compose hands those of all modules to whoever opens them. */
  readonly workspaceTables?: MigrationSet;
  /** What it does without being asked. Printed in docs/duties.md. */
  readonly duties?: readonly Duty[];
  /** What it answers with when it does not do what was asked. Printed in docs/errors.md. */
  readonly failures?: readonly FailureTable[];
  /** What an operator may decide about it. Read before the module is made: compose refuses those that nobody read. Printed in docs/operations/settings.md. */
  readonly settings?: SettingList;
  /** What it counts and measures: fed through the port of telemetry, and nothing else is. Printed in docs/operations/metrics.md. */
  readonly meters?: readonly Meter[];
  readonly tasks?: Readonly<Record<string, TaskHandler>>;
  readonly periodic?: readonly Periodic[];
  /** Told when the resource with this id is gone: what it keeps for it, or for what was below it, goes too. Idempotent. */
  removed?(grant: Grant, id: string): Promise<void>;
  /** Names, for a message, what of its own stands on a resource that is to be removed, and must not be. */
  standsOn?(id: string): Promise<readonly string[]>;
  /** After every module is composed and migrated, before listening: repair what a crash left, load what is kept in memory. */
  start?(): Promise<void>;
  /** When the server listens: what calls it back may begin. */
  listening?(): Promise<void>;
  /** Before it listens no more, in reverse order: what calls it back ends. */
  leaving?(): Promise<void>;
  /** On a clean stop, in reverse order: close what was opened. */
  stop?(): Promise<void>;
};
