// The house in one screen, and the only file that knows every module. Makes them in the order of the dependency table, each
// floor from the ones below it, and answers what main listens with, starts and stops. It decides nothing.
//
//   compose/ground.ts       identity · access · audit · resources · quotas  who are you · may you · you did · about what · how much
//   compose/data-plane.ts   vault · storage · registry · monitoring        where data rests
//   compose/learning.ts     workspaces · connections · runs · assets · compute · jobs · flows · schedules · images · imports · environments · endpoints

import { declaredActions } from '@strongroom/contract/actions';
import { auditMigrations } from '#audit';
import { checkFailures } from '#kernel/errors/failures';
import { kernelFailures } from '#kernel/failures';
import { meterDisk } from '#kernel/files/files.meters';
import { createHosts } from '#kernel/http/hosts';
import { meterCertificates } from '#kernel/http/http.meters';
import { type Door, mount } from '#kernel/http/mount';
import { createProxies } from '#kernel/http/proxies';
import { kernelMeters } from '#kernel/meters';
import type { Module, Periodic } from '#kernel/module';
import { createTasks } from '#kernel/tasks/tasks';
import { createLanding } from '#landing';
import { createMetricsRegistry } from '#monitoring';
import type { ResourceKind } from '#resources';
import { composeDataPlane } from './compose/data-plane.ts';
import { controlTables, type Foundation, type Opened } from './compose/foundation.ts';
import { composeGround, type Ground } from './compose/ground.ts';
import { composeLearning, type Learning } from './compose/learning.ts';
import { makeOwners } from './first-start.ts';
import { settingLists } from './settings.ts';

export type Composed = Pick<Ground, 'identity' | 'audit' | 'bootstrapped'> & {
  readonly door: Door;
  readonly resources: Ground['resources']['resources'];
  readonly modules: readonly Module<ResourceKind>[];
  readonly kinds: ReturnType<Ground['resources']['served']>;
  readonly setReady: (ready: boolean) => void;
  start(): Promise<void>;
  /** After the server listens: what calls it back may begin. */
  listening(): Promise<void>;
  /** Before the listener closes: what calls it back ends. */
  leaving(): Promise<void>;
  stop(): Promise<void>;
};

export async function compose(opened: Opened): Promise<Composed> {
  const { config, clock, log, keyring, control, room } = opened;
  const tasks = createTasks({ database: control, clock, log });
  const metrics = createMetricsRegistry({ log });
  const foundation: Foundation = { ...opened, tasks, metrics };
  // Ports of what stands above; each is called only after compose has answered.
  let learning: Learning;
  const ground = await composeGround(foundation, {
    homeOf: (id) => learning.workspaces.homeOf(id),
    keyWrapper: () => data.vault.keyWrapper,
    left: async (objectId) => {
      await learning.flows.endThoseOf(objectId);
      await learning.jobs.endThoseOf(objectId);
    },
    runTokens: { name: 'run token', authenticate: (exchange) => learning.jobs.runScheme.authenticate(exchange) },
  });
  const data = composeDataPlane(foundation, ground, {
    reservedIn: (ref) => learning.workspaces.reservedIn(ref),
  });
  learning = composeLearning(foundation, ground, data);

  const { audit, access, identity, resources, quotas, dataKeys, bootstrapped } = ground;
  const { vault, storage } = data;
  const landing = createLanding({ version: foundation.version, trust: foundation.trust });
  // In the order in which they stand on each other: started so, stopped in reverse.
  const modules: readonly Module<ResourceKind>[] = [
    ...[audit, access, identity, landing, resources, quotas],
    ...Object.values(data),
    ...Object.values(learning),
  ];
  for (const { name, tasks: handlers, removed, standsOn, migrations, settings } of modules) {
    if (handlers) tasks.handle(handlers);
    if (removed) resources.onRemoved(removed);
    if (standsOn) resources.onRemoving(standsOn);
    if (migrations && migrations !== auditMigrations && !controlTables.includes(migrations))
      throw new Error(`the control database was opened without the tables of ${name}`);
    if (settings && !settingLists.includes(settings)) throw new Error(`nobody read the settings of ${name}`);
  }
  learning.workspaces.setTables(modules.flatMap(({ workspaceTables }) => workspaceTables ?? []));
  checkFailures([...kernelFailures, ...modules.flatMap((module) => module.failures ?? [])]);

  const door = mount({
    // Those that recognise their own host come first: what is asked of a vault or an account is never another surface's.
    surfaces: [vault, storage, ...modules.filter((module) => module !== vault && module !== storage)].flatMap(
      (module) => module.surfaces ?? [],
    ),
    routes: [
      ...modules.flatMap((module) => module.routes ?? []),
      ...resources.routesFor(modules.flatMap((module) => module.kinds ?? [])),
    ],
    ports: { authorizer: access.authorizer, audit: audit.trail, room },
    log,
    hosts: createHosts({
      domain: config.http.domain,
      listensOn: config.http.host,
      aliases: config.http.aliases,
    }),
    clientOf: createProxies(config.http.trustedProxies),
    telemetry: metrics.telemetry,
    declared: declaredActions,
  });
  meterDisk(metrics.telemetry, room);
  meterCertificates(metrics.telemetry, opened.certificates);
  metrics.admit([...kernelMeters, ...modules.flatMap((module) => module.meters ?? [])]);

  /** Of the kernel itself. */
  const upkeep: readonly Periodic[] = [
    // Given up for what had to be written, and made again once there is room.
    { name: 'disk-reserve', everyMs: 60_000, run: () => room.reserve() },
    { name: 'data-keys-revalidate', everyMs: 10_000, run: () => dataKeys.revalidate() },
  ];

  return {
    door,
    identity,
    audit,
    resources: resources.resources,
    modules,
    kinds: resources.served(),
    bootstrapped,
    setReady: data.monitoring.setReady,
    async start() {
      for (const module of modules) await module.start?.();
      await makeOwners({ keyring, access, acts: ground.acts }, bootstrapped);
      for (const { name, everyMs, run, atStart = false } of [
        ...modules.flatMap((module) => module.periodic ?? []),
        ...upkeep,
      ])
        tasks.periodic(name, everyMs, async (signal) => void (await run(signal)), { atStart });
      await tasks.start();
    },
    async listening() {
      for (const module of modules) await module.listening?.();
    },
    async leaving() {
      for (const module of [...modules].reverse()) await module.leaving?.();
    },
    async stop() {
      await tasks.stop();
      for (const module of [...modules].reverse()) await module.stop?.();
      dataKeys.close();
    },
  };
}
