// The files of registered versions, as the artifact routes serve them: read only, and always the copy that was registered.

import type { Readable } from 'node:stream';
import type { FileInfo } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { RegisteredPath } from '../artifacts/paths.ts';
import { requireUnbounded } from '../bounds.ts';
import { invalid, missingResource } from '../errors.ts';
import type { ModelRegistry } from './registry.port.ts';

export type RegisteredFiles = {
  /** Files and folders right below a path, by their base names. */
  list(grant: Grant, workspaceId: string, at: RegisteredPath): Promise<readonly FileInfo[]>;
  open(
    grant: Grant,
    workspaceId: string,
    at: RegisteredPath,
  ): Promise<{ readonly size: number; readonly etag: string; readonly stream: Readable }>;
};

export const readOnly = () =>
  invalid('The files of a registered version never change. Register the new files as another version.', 'path');

export function createRegisteredFiles(
  registry: Pick<ModelRegistry, 'version' | 'files' | 'openFile'>,
): RegisteredFiles {
  async function filesOf(grant: Grant, workspaceId: string, { name, version }: RegisteredPath) {
    requireUnbounded(grant);
    const found = await registry.version(grant, workspaceId, name, version);
    if (found === undefined) throw missingResource('There is no registered version at this path.');
    return registry.files(grant, workspaceId, found.name, found.version);
  }
  return {
    async list(grant, workspaceId, at) {
      const below = at.path === '' ? '' : `${at.path}/`;
      const entries = new Map<string, FileInfo>();
      for (const { path, size } of await filesOf(grant, workspaceId, at)) {
        if (!path.startsWith(below)) continue;
        const rest = path.slice(below.length);
        const end = rest.indexOf('/');
        const name = end < 0 ? rest : rest.slice(0, end);
        entries.set(name, end < 0 ? { path: name, is_dir: false, file_size: size } : { path: name, is_dir: true });
      }
      return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    async open(grant, workspaceId, at) {
      const file = (await filesOf(grant, workspaceId, at)).find(({ path }) => path === at.path);
      if (file === undefined) throw missingResource('There is no artifact at this path.');
      const stream = await registry.openFile(grant, workspaceId, at.name, at.version, file.path);
      return { size: file.size, etag: `"${file.sha256}"`, stream };
    },
  };
}
