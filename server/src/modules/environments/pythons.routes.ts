// Which versions of Python an environment can ask for, so that nobody has to be refused to learn it.

import type { OfferedPython } from '@strongroom/contract/agent';
import { pythonList } from '@strongroom/contract/assets';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import { accessed, json, needs, type Route, route, whole } from '#kernel/http/route';
import { itemId, itemPath } from '#resources';
import { workspaceType } from '#workspaces';

export const pythonsRoute = (pythons: () => Promise<readonly OfferedPython[]>): Route =>
  route({
    operation: 'Environments_ListPythons',
    surface: 'arm',
    method: 'GET',
    path: `${itemPath(workspaceType)}/pythons`,
    summary:
      'The versions of Python that an environment can ask for here; the one that is taken when none is asked for first.',
    access: needs(
      actionsOfType(`${workspaceType}/environments`).read,
      (params) => itemId(workspaceType, params),
      whole,
    ),
    audit: accessed('workspaceName'),
    reads: [],
    responses: { 200: pythonList },
    handle: async () => json(200, { value: (await pythons()).map(({ version, release }) => ({ version, release })) }),
  });
