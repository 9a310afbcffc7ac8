// What documents are read with in tests: a folder that they lie in, and a workspace that keeps what it would be sent.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { workspacePaths } from '@strongroom/contract/client.paths';
import { readDocument } from '../document.reader.ts';
import type { Sources } from './references.ts';

/** Ends with the tests of the file that calls it. */
export function openDocuments() {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-documents-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const paths = workspacePaths(
    '/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w',
  );
  const sent: string[] = [];
  const components: object[] = [];
  const sources: Sources = {
    snapshot: async (place: string) => {
      sent.push(`snapshot ${place}`);
      return 'azureml://snapshots/sha256:00';
    },
    code: async (place: string) => {
      sent.push(`code ${place}`);
      return paths.codeVersion('00', '1');
    },
    latest: async (of, name) => paths.assetVersion(of, name, '7'),
    environment: async (described) => {
      sent.push(`environment ${JSON.stringify(described)}`);
      return paths.environmentVersion('anonymous', 'e');
    },
    component: async (spec) => {
      components.push(spec);
      return paths.assetVersion('components', 'anonymous', String(components.length));
    },
    model: async (described) => {
      sent.push(`model ${JSON.stringify(described)}`);
      return paths.modelVersion('anonymous', 'm');
    },
  };
  async function file(text: string, ...set: string[]) {
    const path = join(folder, 'x.yml');
    writeFileSync(path, text);
    return await readDocument(path, set);
  }
  return { folder, paths, sent, components, sources, file };
}
