// The files of registered versions, as the artifact routes serve them: read only, and always the copy that was registered.

import type { Readable } from 'node:stream';
import type { FileInfo } from '@strongroom/contract/runs';
import type { Grant } from '#kernel/authority/grant';
import type { RegisteredPath } from '../artifacts/paths.rules.ts';
import { invalid, missingResource } from '../runs.errors.ts';
import type { ModelRegistry } from './registry.types.ts';

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
  async function versionAt(grant: Grant, workspaceId: string, { name, version }: RegisteredPath) {
    const found = await registry.version(grant, workspaceId, name, version);
    if (found?.name !== name) throw missingResource('There is no registered version at this path.');
    return found;
  }
  return {
    async list(grant, workspaceId, at) {
      const below = at.path === '' ? '' : `${at.path}/`;
      const { name, version } = await versionAt(grant, workspaceId, at);
      const entries = new Map<string, FileInfo>();
      for (const { path, size } of await registry.files(grant, workspaceId, name, version, below)) {
        const rest = path.slice(below.length);
        const end = rest.indexOf('/');
        const base = end < 0 ? rest : rest.slice(0, end);
        entries.set(base, end < 0 ? { path: base, is_dir: false, file_size: size } : { path: base, is_dir: true });
      }
      return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
    },
    async open(grant, workspaceId, at) {
      const { name, version } = await versionAt(grant, workspaceId, at);
      const { size, sha256, stream } = await registry.openFile(grant, workspaceId, name, version, at.path);
      return { size, etag: `"${sha256}"`, stream };
    },
  };
}
