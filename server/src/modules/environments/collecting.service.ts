// Images of environments that go: those that no version names any more, that nobody has used for the days of the setting, that another
// build has replaced, and those of workspaces that are gone. None that a job waits for, runs in or will run in. Each is removed by a
// duty, with its record and its reason; what is wrong here costs a build, and never a job.

import { registryActions } from '@strongroom/contract/registry.actions';
import type { Preparing } from '#jobs';
import type { Grants } from '#kernel/authority/grant';
import type { Acts } from '#kernel/authority/perform';
import type { Clock } from '#kernel/clock/clock';
import type { Database } from '#kernel/database/database';
import { asFailure } from '#kernel/errors/failure';
import type { Log } from '#kernel/log/log';
import { repositoryScope } from '#registry';
import type { Resources } from '#resources';
import { type Workspaces, workspaceType } from '#workspaces';
import * as images from './built-images.store.ts';
import { environmentsDuties } from './duties.ts';
import type { EnvironmentsService } from './environments.service.ts';
import * as store from './environments.store.ts';
import type { EnvironmentRegistry } from './environments.types.ts';

const dayMs = 86_400_000;
const pageSize = 200;

type Reason = 'replaced' | 'unnamed' | 'unused' | 'workspace gone';

export type Collecting = {
  /** Before a build pushes its image. */
  keep(image: images.BuiltImage): Promise<void>;
  /** For a periodic task. Answers how many images went. */
  collect(stopping: AbortSignal): Promise<number>;
};

export function createCollecting(deps: {
  /** The control database, migrated with `builtImageTables`. */
  readonly database: Database;
  readonly environments: Pick<EnvironmentsService, 'withdraw'>;
  readonly preparing: Pick<Preparing, 'imagesInUse'>;
  readonly resources: Pick<Resources, 'find' | 'each'>;
  readonly workspaces: Workspaces;
  readonly registry: EnvironmentRegistry;
  readonly grants: Pick<Grants, 'duty'>;
  readonly acts: Pick<Acts, 'duty'>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0: for ever, while something names them. */
  readonly keptDays: number;
}): Collecting {
  const { database, environments, resources, workspaces, registry, grants, acts, clock, log } = deps;
  const looking = () => grants.duty(environmentsDuties.findUnused, '/');
  /** Unique ids of workspaces: what is built from here on is kept when it is pushed, so each is opened for it once. */
  const learned = new Set<string>();

  /** Idempotent: a registry that is gone, or holds nothing there, has nothing to remove. */
  async function remove({ registry: registryId, repository, build }: images.BuiltImage, reason: Reason): Promise<void> {
    const facts = {
      operation: 'Environments_RemoveImage',
      action: registryActions.deleteArtifacts,
      scope: repositoryScope({ registry: registryId, repository }),
      parameters: { repository, build, reason },
    };
    if ((await resources.find(looking(), registryId)) !== undefined)
      await acts.duty(environmentsDuties.removeUnused, facts, async (grant) => {
        try {
          await registry.keepOnly(grant, registryId, repository, undefined);
        } catch (thrown) {
          // Its registry went meanwhile, and everything with it.
          if (asFailure(thrown).kind !== 'notFound') throw thrown;
        }
      });
  }

  async function isNamed(recipe: string, own: Database): Promise<boolean> {
    for (let after = ''; ; ) {
      const names = await store.namesOf(own.read, recipe, after, pageSize);
      for (const name of names) if ((await resources.find(looking(), name)) !== undefined) return true;
      // Of what was planned before names were kept nothing is known.
      if (names.length < pageSize) return after === '' && names.length === 0;
      after = names.at(-1) ?? after;
    }
  }

  /** Why it goes; undefined: it stays. */
  async function reasonOf(
    image: images.BuiltImage,
    row: store.EnvironmentRow | undefined,
    own: Database,
  ): Promise<Reason | undefined> {
    const now = clock.epochMs();
    // Whoever was just told of it, or just sent it, may not have said so yet.
    if (image.pushed_ms > now - dayMs) return undefined;
    if (row === undefined) return 'replaced';
    if (row.used_ms > now - dayMs) return undefined;
    if (!(await isNamed(row.recipe, own))) return 'unnamed';
    return deps.keptDays > 0 && row.used_ms < now - deps.keptDays * dayMs ? 'unused' : undefined;
  }

  /** Images of before they were kept in the control database, and when they were used of before that was. */
  async function learn(workspace: { readonly id: string; readonly uniqueId: string }, own: Database): Promise<void> {
    const now = clock.epochMs();
    for (let after = ''; ; ) {
      const rows = await store.builtEnvironments(own.read, after, pageSize);
      for (const { recipe, registry: at, repository, built_by: build, used_ms: used } of rows) {
        if (used > 0 || at === null || repository === null || build === null) continue;
        const image = { repository, registry: at, workspace: workspace.uniqueId, recipe, build, pushed_ms: now };
        await database.write((tx) => images.keepImage(tx, image));
        await own.write((tx) => store.setUsed(tx, recipe, now));
      }
      after = rows.at(-1)?.recipe ?? after;
      if (rows.length < pageSize) return;
    }
  }

  /** Those of one workspace that there is, on one page. */
  async function collectOf(workspaceId: string, all: readonly images.BuiltImage[]): Promise<number> {
    // Before any is looked at: a job that comes to one from here on is seen by when it was used.
    const inUse = await deps.preparing.imagesInUse(workspaceId);
    let gone = 0;
    for (const image of all) {
      if (inUse.has(image.repository)) continue;
      let reason: Reason | undefined;
      const isGone = await environments.withdraw(workspaceId, image.recipe, {
        repository: image.repository,
        build: image.build,
        async isDue(row, own) {
          reason = await reasonOf(image, row, own);
          return reason !== undefined;
        },
        remove: async () => remove(image, reason ?? 'unused'),
      });
      if (!isGone) continue;
      await database.write((tx) => images.forgetImage(tx, image.repository));
      gone += 1;
    }
    return gone;
  }

  async function collect(stopping: AbortSignal): Promise<number> {
    const present = new Map<string, string>();
    for await (const { id, uniqueId } of resources.each(looking(), { type: workspaceType, under: '/' }))
      present.set(uniqueId, id);
    const isOver = () => stopping.aborted;
    const tried = async (workspace: string, act: () => Promise<number>): Promise<number> => {
      try {
        return isOver() ? 0 : await act();
      } catch (error) {
        // One whose customer refuses his key, or that is half made or half gone: looked at again the next time.
        const level = asFailure(error).kind === 'internal' ? 'error' : 'debug';
        log[level]({ module: 'environments', workspace, error }, 'images of a workspace were not looked through');
        return 0;
      }
    };
    for (const uniqueId of learned) if (!present.has(uniqueId)) learned.delete(uniqueId);
    for (const [uniqueId, id] of present) {
      if (learned.has(uniqueId)) continue;
      await tried(uniqueId, async () => {
        await learn({ id, uniqueId }, await workspaces.database(grants.duty(environmentsDuties.prepare, id), id));
        learned.add(uniqueId);
        return 0;
      });
    }
    let gone = 0;
    for (let after = ''; !isOver(); ) {
      const page = await images.listImages(database.read, after, pageSize);
      for (const [uniqueId, of] of Map.groupBy(page, ({ workspace }) => workspace)) {
        const id = present.get(uniqueId);
        gone += await tried(uniqueId, async () => (id === undefined ? orphaned(of) : collectOf(id, of)));
      }
      after = page.at(-1)?.repository ?? after;
      if (page.length < pageSize) break;
    }
    if (gone > 0) log.info({ module: 'environments', count: gone }, 'images of environments were removed');
    return gone;
  }

  /** A workspace that was made while this went on is not among those that were listed: its images are of today, and stay. */
  async function orphaned(all: readonly images.BuiltImage[]): Promise<number> {
    let gone = 0;
    for (const image of all) {
      if (image.pushed_ms > clock.epochMs() - dayMs) continue;
      await remove(image, 'workspace gone');
      await database.write((tx) => images.forgetImage(tx, image.repository));
      gone += 1;
    }
    return gone;
  }

  return { keep: (image) => database.write((tx) => images.keepImage(tx, image)), collect };
}
