// Runs a page of docs/ by a shell that is signed in to the server under test, in a group and a workspace of its own.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runPage } from '../../cli/src/pages.fixture.ts';

const bootstrap = process.env['CONFORMANCE_BOOTSTRAP'] ?? '';

/** @param name of the page in docs/, of the group, and of the workspace */
export async function runPageOf(name: string) {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-page-'));
  const { NODE_OPTIONS: _resolver, ...environment } = process.env;
  try {
    return await runPage(`${name}.md`, {
      folder,
      environment: { ...environment, HOME: folder },
      first: [
        `bin/strongroom login --bootstrap-file '${bootstrap}'`,
        `bin/strongroom group create ${name}`,
        `bin/strongroom config set resource-group ${name}`,
        `bin/strongroom workspace create ${name}-page`,
        `bin/strongroom config set workspace ${name}-page`,
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
