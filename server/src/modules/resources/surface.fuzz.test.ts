// Whatever is sent to the surface, the answer is its own: never an internal error, never something made where the path does not
// say, and an id that answers is an id that was asked for.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { closeScanPool } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import { furnish, groupId, houseId, openWorld, subscription } from './resources.fixture.ts';

after(() => closeScanPool());

type Raw = { readonly status: number; readonly body: string };

/** Sends the path as it is: `fetch` would tidy it up. */
function send(port: string, method: string, path: string, body: string | undefined): Promise<Raw> {
  // Named, because Node's client would send the body of a DELETE without saying how long it is.
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const headers = { 'content-type': 'application/json', ...length };
  return new Promise((resolve, reject) => {
    const sent = request({ agent: false, host: 'localhost', port, method, path, headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const odd = fc.constantFrom(
  '',
  '.',
  '..',
  '%2e%2e',
  '%2F',
  '%5c',
  '%00',
  '%',
  '%25',
  'providers',
  '__proto__',
  'a;b',
  '~',
  '$x',
  '%ff',
  '%E2%80%AE',
);
const known = fc.constantFrom(
  'subscriptions',
  subscription.id,
  'resourceGroups',
  'RESOURCEGROUPS',
  'Rooms',
  'providers',
  'Test.Houses',
  'test.houses',
  'houses',
  'Villa',
  'chairs',
  'notes',
  'listKeys',
  'resources',
  'locations',
  'local',
  'operationsStatus',
  'operations',
  'tenants',
  'metadata',
  'endpoints',
);
const segment = fc.oneof({ weight: 6, arbitrary: known }, odd, fc.stringMatching(/^[\w.()-]{1,12}$/));
const path = fc
  .tuple(fc.constantFrom('', groupId, houseId, `/${houseId}`, `${houseId}/chairs`), fc.array(segment, { maxLength: 5 }))
  .map(([stem, rest]) => `${stem}/${rest.join('/')}`);
const body = fc.oneof(
  fc.constant(undefined),
  fc.json({ maxDepth: 3 }),
  fc.constant('{"location":"local","properties":{"legs":4}}'),
  fc.record({ location: fc.anything(), tags: fc.anything(), properties: fc.anything() }).map((value) => {
    try {
      return JSON.stringify(value);
    } catch {
      return '{}';
    }
  }),
);
const method = fc.constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'HEAD');
const query = fc.constantFrom(
  '?api-version=2024-01-01',
  '?api-version=2024-01-01&$top=2',
  '?api-version=x',
  '',
  '?%ff&api-version=2024-01-01',
);

test('no request to the surface ends in an internal error', async (t) => {
  const server = await (await openWorld(t)).start();
  await furnish(server);
  const { port } = new URL(server.door.url);
  await fc.assert(
    fc.asyncProperty(method, path, query, body, async (method, path, query, body) => {
      const answer = await send(port, method, path + query, method === 'GET' || method === 'HEAD' ? undefined : body);
      assert.ok(answer.status < 500, `${method} ${path}${query} ${body}: ${answer.status} ${answer.body}`);
      if (answer.status >= 400 && method !== 'HEAD') assert.ok(JSON.parse(answer.body).error.code);
      if (method === 'PUT' && answer.status < 300) {
        const sent = idKey(decodeURIComponent(path));
        assert.equal(idKey(JSON.parse(answer.body).id), sent);
      }
    }),
    { numRuns: 400 },
  );
});
