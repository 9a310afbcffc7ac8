// Every page that is printed from the code.

import { createProgram } from '../../cli/src/program.ts';
import { referenceOf } from '../../cli/src/reference.ts';
import { createTestShell } from '../../cli/src/testing.ts';
import { installationFailures } from '../../server/src/installation.errors.ts';
import { tableOf } from '../../server/src/kernel/errors/failures.ts';
import { kernelFailures } from '../../server/src/kernel/failures.ts';
import { kernelMeters } from '../../server/src/kernel/meters.ts';
import { settingLists } from '../../server/src/settings.ts';
import { documentsOf } from '../openapi/documents.ts';
import { propertiesFile, propertiesOf } from '../openapi/properties.ts';
import type { Composition } from '../openapi/routes.ts';
import { dutiesPage } from './duties.ts';
import { failuresPage } from './failures.ts';
import { metricsPage, type Rooms } from './metrics.ts';
import { settingsPage } from './settings.ts';

/** Tables of failures that somebody may see, kernel first. */
export const failureTablesOf = ({ modules }: Composition) => [
  ...kernelFailures,
  tableOf(installationFailures),
  ...modules.flatMap(({ failures }) => failures ?? []),
];

/** Meters by the room that declares them. */
export const metersOf = ({ modules }: Pick<Composition, 'modules'>): Rooms =>
  [
    { name: 'every request, and the machine', meters: kernelMeters },
    ...modules.map(({ name, meters = [] }) => ({ name, meters })),
  ].filter(({ meters }) => meters.length > 0);

export const everySetting = settingLists.flatMap(({ settings }) => Object.entries(settings));

/** Path from the root of the repository → content. */
export async function pagesOf(composition: Composition): Promise<ReadonlyMap<string, string>> {
  const openapi = [...documentsOf(composition), [propertiesFile, propertiesOf(composition.kinds)] as const];
  const cli = createTestShell();
  try {
    return new Map([
      ...openapi.map(([name, content]) => [`openapi/${name}`, content] as const),
      ['docs/cli.md', referenceOf(await createProgram(cli.shell))],
      ['docs/duties.md', dutiesPage(composition.modules.flatMap(({ duties }) => duties ?? []))],
      ['docs/errors.md', failuresPage(failureTablesOf(composition))],
      ['docs/operations/metrics.md', metricsPage(metersOf(composition))],
      ['docs/operations/settings.md', settingsPage(everySetting)],
    ]);
  } finally {
    cli.close();
  }
}
