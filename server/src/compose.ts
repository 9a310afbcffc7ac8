// The house in one screen, and the only file that knows every module. Makes them in the order of the dependency table, each
// floor from the ones below it, and answers what main listens with, starts and stops. It decides nothing.
//
//   compose/ground.ts       identity · access · audit · resources · quotas  who are you · may you · you did · about what · how much
//   compose/data-plane.ts   vault · storage · registry · monitoring        where data rests
//   compose/learning.ts     workspaces · runs · assets · compute · jobs · endpoints

import { declaredActions } from '@strongroom/contract/actions';
import { originHere } from '#kernel/http/certificates';
import { createHosts } from '#kernel/http/hosts';
import { type Door, mount } from '#kernel/http/mount';
import { createProxies } from '#kernel/http/proxies';
import type { Module } from '#kernel/module';
import { createTasks, type Tasks } from '#kernel/tasks/tasks';
import { createLanding } from '#landing';
import { composeDataPlane } from './compose/data-plane.ts';
import type { Foundation } from './compose/foundation.ts';
import { composeGround, type Ground } from './compose/ground.ts';
import { composeLearning, type Learning } from './compose/learning.ts';
import { makeOwners } from './first-start.ts';

export type Composed = Pick<Ground, 'identity' | 'audit' | 'bootstrapped'> & {
  readonly door: Door;
  readonly resources: Ground['resources']['resources'];
  readonly modules: readonly Module[];
  readonly kinds: ReturnType<Ground['resources']['kinds']>;
  readonly setReady: (ready: boolean) => void;
  start(): Promise<void>;
  /** After the server listens: what calls it back may begin. */
  listening(): Promise<void>;
  /** Before the listener closes: what calls it back ends. */
  leaving(): Promise<void>;
  stop(): Promise<void>;
};

/** Opens every workspace and registry once, so not more often than it is of use. */
const sweepEveryMs = 6 * 3_600_000;

export async function compose(foundation: Foundation): Promise<Composed> {
  const { config, clock, log, keyring, control } = foundation;
  // Ports that must be named before their side is made; each is called only after compose has answered.
  let tasks: Tasks;
  let learning: Learning;
  const lateTasks: Tasks = {
    enqueue: (tx, task) => tasks.enqueue(tx, task),
    periodic: (...args) => tasks.periodic(...args),
    start: () => tasks.start(),
    stop: () => tasks.stop(),
    drain: () => tasks.drain(),
  };

  const ground = await composeGround(foundation, {
    tasks: lateTasks,
    homeOf: (id) => learning.workspaces.homeOf(id),
    keyWrapper: () => data.vault.keyWrapper,
    left: (objectId) => learning.jobs.endThoseOf(objectId),
    runTokens: { name: 'run token', authenticate: (exchange) => learning.jobs.runScheme.authenticate(exchange) },
  });
  const load = () => ({ ...learning.compute.load(), ended: learning.jobs.ended() });
  const data = composeDataPlane(foundation, ground, {
    tasks: lateTasks,
    load,
    reservedIn: (ref) => learning.workspaces.reservedIn(ref),
  });
  learning = composeLearning(foundation, ground, data);

  const { audit, access, identity, resources, quotas, dataKeys, bootstrapped } = ground;
  const { vault, storage, registry, monitoring } = data;
  const { workspaces, runs, assets, compute, jobs, endpoints } = learning;
  const landing = createLanding({ version: foundation.version, trust: foundation.trust });
  const kinds = [vault, storage, registry, monitoring, workspaces, assets, compute, jobs, endpoints].flatMap(
    (module) => module.kinds,
  );
  // In the order in which they stand on each other: started so, stopped in reverse.
  const modules: readonly Module[] = [
    ...[audit, access, identity, landing, resources, quotas],
    ...[vault, storage, registry, monitoring],
    ...[workspaces, runs, assets, compute, jobs, endpoints],
  ];
  tasks = createTasks({
    database: control,
    clock,
    log,
    handlers: Object.assign({}, ...modules.map((module) => module.tasks ?? {})),
  });

  const door = mount({
    // Those that recognise their own host come first: what is asked of a vault or an account is never another surface's.
    surfaces: [vault, storage, ...modules.filter((module) => module !== vault && module !== storage)].flatMap(
      (module) => module.surfaces ?? [],
    ),
    routes: [...modules.flatMap((module) => module.routes ?? []), ...resources.routesFor(kinds)],
    ports: { authorizer: access.authorizer, audit: audit.trail, room: foundation.room },
    log,
    hosts: createHosts({
      domain: config.http.domain,
      listensOn: config.http.host,
      aliases: config.http.aliases,
    }),
    clientOf: createProxies(config.http.trustedProxies),
    observe: monitoring.observe,
    observeStranger: monitoring.observeStranger,
    declared: declaredActions,
  });

  return {
    door,
    identity,
    audit,
    resources: resources.resources,
    modules,
    kinds: resources.kinds(),
    bootstrapped,
    setReady: monitoring.setReady,
    async start() {
      for (const module of modules) await module.start?.();
      await makeOwners({ keyring, access, acts: ground.acts }, bootstrapped);
      tasks.periodic('registry-uploads', 300_000, () => registry.sweepUploads());
      tasks.periodic('registry-blobs', sweepEveryMs, registry.sweepBlobs, { atStart: true });
      tasks.periodic('scoring-records', sweepEveryMs, endpoints.sweepRecords, { atStart: true });
      tasks.periodic('job-logs', sweepEveryMs, jobs.sweepLogs, { atStart: true });
      tasks.periodic('asset-blobs', sweepEveryMs, assets.sweep, { atStart: true });
      tasks.periodic('role-strays', sweepEveryMs, (signal) => access.sweepStrays(ground.acts, signal).then(() => {}), {
        atStart: true,
      });
      tasks.periodic('identity-sweep', 300_000, () => identity.sweep());
      // Given up for what had to be written, and made again once there is room.
      tasks.periodic('disk-reserve', 60_000, () => foundation.room.reserve());
      tasks.periodic('data-keys-revalidate', 10_000, () => dataKeys.revalidate());
      await tasks.start();
    },
    async listening() {
      compute.startAgent({
        url: originHere(config.http.host, config.http.port),
        caPem: foundation.trust.pem,
        hostNames: [],
      });
    },
    leaving: () => compute.stopAgent(),
    async stop() {
      await tasks.stop();
      for (const module of [...modules].reverse()) await module.stop?.();
      dataKeys.close();
    },
  };
}
