// Sends a folder to a workspace as the command line does: as a tar archive, answered with the URI that code and model
// versions take. Azure's clients for JavaScript have no call for sending code; those for Python have one of their own.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bootstrap, credential } from './bootstrap.ts';

function packed(files: Readonly<Record<string, string>>): Buffer<ArrayBuffer> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-code-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    const { status, stdout, stderr } = spawnSync('tar', ['-cf', '-', '-C', folder, ...Object.keys(files)]);
    if (status !== 0) throw new Error(`tar: ${stderr}`);
    return Buffer.from(stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns the URI of the snapshot */
export async function takeSnapshot(workspaceId: string, files: Readonly<Record<string, string>>): Promise<string> {
  const { token } = await credential.getToken(`${bootstrap.url}/.default`);
  const answer = await fetch(`${bootstrap.url}${workspaceId}/snapshots?api-version=2022-10-01`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-tar' },
    body: packed(files),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`POST snapshots: ${answer.status} ${text}`);
  return (JSON.parse(text) as { uri: string }).uri;
}
