// What the tests of kept inputs share: snapshots in the place of the server's, which gives each token what it was told. For tests only.

import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { type Handler, sha256 } from '../sandbox/testing.ts';
import type { InputFile } from './bring.ts';
import { digestOfFiles, type WantedInput } from './cache.ts';
import { NoPlace, openSealed } from './place.ts';

export interface TestSnapshots {
  readonly handle: Handler;
  /** `TOKEN PATH`, in order. */
  readonly asked: string[];
  /** Snapshots that a token opens; changed by tests. */
  readonly opens: Map<string, Set<string>>;
  /** In place of the answer with a file's bytes; undefined: the bytes. */
  answer: ((token: string, path: string, response: ServerResponse, bytes: Buffer) => void) | undefined;
  /** An input of these files, as the document tells it. */
  add(id: string, files: Readonly<Record<string, string | Buffer>>): WantedInput;
  /** How often a file was sent. */
  sent(path: string): number;
}

export function testSnapshots(origin: string): TestSnapshots {
  const contents = new Map<string, Map<string, Buffer>>();
  const digests = new Map<string, string>();
  const test: TestSnapshots = {
    asked: [],
    opens: new Map(),
    answer: undefined,
    add(id, given) {
      const files = new Map(Object.entries(given).map(([path, text]) => [path, Buffer.from(text)]));
      contents.set(id, files);
      const url = `${origin}/snapshots/${id}`;
      const told = [...files].map(([path, bytes]): InputFile => {
        return { path, url: `${url}/files/${encodeURI(path)}`, size: bytes.length, sha256: sha256(bytes) };
      });
      digests.set(id, digestOfFiles(told));
      return { url, files: told };
    },
    sent: (path) => test.asked.filter((each) => each.endsWith(`/files/${path}`)).length,
    handle(request, response) {
      const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
      test.asked.push(`${token} ${request.url}`);
      const [, id = '', path] = /^\/snapshots\/([^/]+)(?:\/files\/(.+))?$/.exec(request.url ?? '') ?? [];
      const files = contents.get(id);
      if (files === undefined || test.opens.get(token)?.has(id) !== true)
        return response.writeHead(403).end(JSON.stringify({ error: { message: 'It may not read that.' } }));
      if (path === undefined) return response.writeHead(200).end(JSON.stringify({ snapshotId: digests.get(id) }));
      const bytes = files.get(decodeURI(path));
      if (bytes === undefined) return response.writeHead(404).end();
      if (test.answer !== undefined) return test.answer(token, path, response, bytes);
      return response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    },
  };
  return test;
}

/**
 * For node:test's `skip`: false where a node can seal what it keeps, else why not. Under CI that is a failure, but for a kernel that has no
 * file systems in user space, where nothing that is installed helps.
 */
export async function sealingSkipReason(parent: string): Promise<string | false> {
  if (!existsSync('/dev/fuse')) return 'The kernel of this machine has no /dev/fuse.';
  try {
    await (await openSealed({ parent, prefix: 'strongroom-test-', bytes: 1 })).close();
    return false;
  } catch (error) {
    if (!(error instanceof NoPlace) || process.env['CI'] === 'true') throw error;
    return error.message;
  }
}
