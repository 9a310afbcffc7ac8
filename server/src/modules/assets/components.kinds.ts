// Components as resource kinds. A version is what it says at its registration: its command, its code and its environment, or its
// steps and what they name, all of which are there by then.

import { isDeepStrictEqual } from 'node:util';
import { componentVersion } from '@strongroom/contract/assets';
import type { Grant } from '#kernel/authority/grant';
import { isWithin, parseResourceId } from '#kernel/ids/ids';
import type { ResourceKind, Resources } from '#resources';
import { workspaceOf, workspaceType } from '#workspaces';
import { assetsFailures } from './assets.errors.ts';
import { readComponent } from './components.rules.ts';
import { curatedName } from './curated.rules.ts';
import type { PipelineSteps } from './pipeline-steps.port.ts';
import type { VersionedKinds } from './versioned.kinds.ts';

export function createComponentKinds(
  { container, version }: VersionedKinds,
  {
    resources,
    pipelineSteps,
  }: { readonly resources: Pick<Resources, 'get'>; readonly pipelineSteps: () => PipelineSteps },
): readonly ResourceKind[] {
  async function checkVersion(grant: Grant, id: string, named: string | undefined, plural: string, part: string) {
    if (named === undefined) return;
    const workspaceId = workspaceOf(id) ?? '';
    const wanted = `${workspaceType}/${plural}/versions`.toLowerCase();
    if (!isWithin(named, workspaceId) || parseResourceId(named).type?.toLowerCase() !== wanted)
      throw assetsFailures.InvalidComponent(
        part,
        `must be the id of one of this workspace's ${plural}/versions, and is '${named.slice(0, 200)}'`,
      );
    await resources.get(grant, named);
  }
  return [
    container('components', 'component'),
    version(
      'components',
      'component version',
      ['componentSpec'],
      {
        properties: componentVersion,
        unserved: { refused: {}, kept: {}, ignored: {} },
        async validate(grant, draft, _existing, id) {
          const component = readComponent(draft.properties['componentSpec'] as Readonly<Record<string, unknown>>); // of the schema
          if (component.type === 'pipeline') return pipelineSteps().check(grant, id, component);
          await checkVersion(grant, id, component.codeId, 'codes', 'code');
          // What stands for one of Azure's is looked for when a job runs in it.
          if (component.environmentId === undefined || curatedName(component.environmentId) === undefined)
            await checkVersion(grant, id, component.environmentId, 'environments', 'environment');
        },
        create: async (_grant, { properties }) => properties,
        // Clients read the name and the version of a component in its specification, whether they wrote them or not.
        view: ({ id, properties }) => ({
          description: null,
          tags: {},
          properties: {},
          ...properties,
          componentSpec: { ...(properties['componentSpec'] as object), ...labelsOf(id) },
        }),
      },
      { isSame: async (_grant, id, wanted, existing) => isDeepStrictEqual(specOf(id, wanted), specOf(id, existing)) },
    ),
  ];
}

function labelsOf(id: string): { readonly name: string | undefined; readonly version: string | undefined } {
  const [name, , version] = id.split('/').slice(-3);
  return { name, version };
}

const specOf = (id: string, spec: unknown): object => ({ ...(spec as object), ...labelsOf(id) });
