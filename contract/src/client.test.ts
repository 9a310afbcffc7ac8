// The client against a service that answers from a script: pages, long-running operations, refusals of every surface.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTokenEndpoint } from './client.tokens.ts';
import { createClient, type ServiceError, type TransportRequest } from './client.ts';

type Scripted = {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Answers in order, and remembers what was asked. */
function script(...answers: readonly Scripted[]) {
  const asked: TransportRequest[] = [];
  const waits: number[] = [];
  const transport = async (request: TransportRequest) => {
    asked.push(request);
    const { status, body, headers = {} } = answers[asked.length - 1] ?? { status: 500 };
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    return {
      status,
      header: (name: string) => headers[name.toLowerCase()],
      body: (async function* () {
        yield new TextEncoder().encode(text);
      })(),
      text: async () => text,
    };
  };
  const client = createClient({
    origin: 'https://localhost:8443/',
    transport,
    token: async (audience) => `token-for-${audience}`,
    sleep: async (milliseconds) => void waits.push(milliseconds),
  });
  return { client, asked, waits, transport };
}

test('a list follows its links, sends the query once, and stops at what was asked for', async () => {
  const next = 'https://localhost:8443/things?api-version=2024-10-01&$skip=2';
  const { client, asked } = script(
    { status: 200, body: { value: [1, 2], nextLink: next } },
    { status: 200, body: { value: [3, 4], nextLink: next } },
  );
  assert.deepEqual(await client.list('/things', { query: { $top: 2, absent: undefined }, max: 3 }), [1, 2, 3]);
  assert.equal(asked[0]?.url, 'https://localhost:8443/things?%24top=2&api-version=2024-10-01');
  assert.equal(asked[1]?.url, next);
  assert.equal(asked[0]?.headers['authorization'], 'Bearer token-for-https://localhost:8443');
});

test('a list that does not end is refused, never cut short in silence', async () => {
  const nextLink = 'https://localhost:8443/things?api-version=2024-10-01&$skip=1';
  const pages = Array.from({ length: 1000 }, () => ({ status: 200, body: { value: [1], nextLink } }));
  await assert.rejects(script(...pages).client.list('/things'), { code: 'ListTooLong' });
  assert.equal((await script(...pages).client.list('/things', { max: 1000 })).length, 1000);
});

test('a link that leads elsewhere gets no token and no request', async () => {
  for (const nextLink of [
    'https://evil.example/things',
    'http://localhost:8443/things',
    'https://localhost:9/things',
    'https://notlocalhost:8443/x',
  ]) {
    const { client, asked } = script({ status: 200, body: { value: [1], nextLink } });
    await assert.rejects(client.list('/things'), /nothing was sent/);
    assert.equal(asked.length, 1);
  }
});

test('a server that is too busy to say how an operation goes is asked again, within a bound', async () => {
  const first = { status: 202, headers: { 'azure-asyncoperation': 'https://localhost:8443/operations/1' } };
  const busy = { status: 503, body: { error: { code: 'ServerBusy', message: 'M' } } };
  const { client, asked } = script(
    first,
    busy,
    { ...busy, status: 429 },
    { status: 200, body: { status: 'Succeeded' } },
  );
  await client.settle('DELETE', '/thing');
  assert.equal(asked.filter(({ method }) => method === 'DELETE').length, 1, 'what acts is never sent again');
  await assert.rejects(script(first, ...Array.from({ length: 10 }, () => busy)).client.settle('DELETE', '/thing'), {
    code: 'ServerBusy',
  });
  await assert.rejects(script(busy).client.settle('DELETE', '/thing'), { code: 'ServerBusy' });
});

test('a PUT is followed through its status until it succeeded, waiting as long as it is asked to, and answers the resource', async () => {
  const monitor = 'https://localhost:8443/operations/1?api-version=2024-10-01';
  const { client, asked, waits } = script(
    {
      status: 201,
      body: { properties: { provisioningState: 'Creating' } },
      headers: { 'azure-asyncoperation': monitor, 'retry-after': '7' },
    },
    { status: 200, body: { status: 'InProgress' }, headers: { 'retry-after': '0' } },
    { status: 200, body: { status: 'Succeeded' } },
    { status: 200, body: { name: 'made' } },
  );
  const seen: string[] = [];
  const { value } = await client.settle('PUT', '/thing', { body: { a: 1 }, onProgress: (status) => seen.push(status) });
  assert.deepEqual(value, { name: 'made' });
  assert.deepEqual(waits, [7000, 0]);
  assert.deepEqual(seen, ['InProgress', 'Succeeded']);
  assert.deepEqual(
    asked.map(({ method }) => method),
    ['PUT', 'GET', 'GET', 'GET'],
  );
});

test('without a monitor the resource itself is asked how it goes', async () => {
  const { client } = script(
    { status: 200, body: { properties: { provisioningState: 'Updating' } } },
    { status: 200, body: { properties: { provisioningState: 'Succeeded' }, name: 'done' } },
  );
  assert.equal((await client.settle('PUT', '/thing')).value['name'], 'done');
});

test('an operation that failed is an error with its own code', async () => {
  const { client } = script(
    { status: 202, headers: { 'azure-asyncoperation': '/operations/1' } },
    {
      status: 200,
      body: { status: 'Failed', error: { code: 'KeyVaultForbidden', message: 'The key is disabled.' } },
      headers: { 'x-ms-request-id': 'r1' },
    },
  );
  await assert.rejects(
    client.settle('PUT', '/thing'),
    (error: ServiceError) => error.code === 'KeyVaultForbidden' && error.status === 403 && error.requestId === 'r1',
  );
});

test('a DELETE follows its Location while that says 202', async () => {
  const { client, asked } = script(
    { status: 202, headers: { location: '/results/1', 'retry-after': '0' } },
    { status: 202, headers: { 'retry-after': '0' } },
    { status: 200 },
  );
  assert.deepEqual(await client.settle('DELETE', '/thing'), { status: 202, value: {} });
  assert.equal(asked.length, 3);
});

test('the refusal of every surface becomes code, message and request id', async () => {
  const cases: readonly (readonly [Scripted, string, string])[] = [
    [
      { status: 404, body: { error: { code: 'ResourceNotFound', message: 'There is none.' } } },
      'ResourceNotFound',
      'There is none.',
    ],
    [
      { status: 403, body: { error: { code: 'Forbidden', message: 'No.', innererror: { code: 'ForbiddenByRbac' } } } },
      'Forbidden/ForbiddenByRbac',
      'No.',
    ],
    [{ status: 400, body: { error: 'invalid_scope', error_description: 'Which?' } }, 'invalid_scope', 'Which?'],
    [
      { status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE', message: 'Bad name.' } },
      'INVALID_PARAMETER_VALUE',
      'Bad name.',
    ],
    [{ status: 404, body: { errors: [{ code: 'NAME_UNKNOWN', message: 'Unknown.' }] } }, 'NAME_UNKNOWN', 'Unknown.'],
    [
      {
        status: 409,
        body: '<?xml version="1.0"?><Error><Code>BlobAlreadyExists</Code><Message>It is there.</Message></Error>',
      },
      'BlobAlreadyExists',
      'It is there.',
    ],
    [{ status: 502, body: 'bad gateway' }, 'HTTP 502', 'bad gateway'],
    [{ status: 500 }, 'HTTP 500', 'The server answered 500 without saying why.'],
  ];
  for (const [answer, code, message] of cases) {
    const { client } = script({ ...answer, headers: { 'x-ms-request-id': 'r2' } });
    await assert.rejects(client.get('/x'), (error: ServiceError) => {
      assert.deepEqual(
        [error.code, error.message, error.requestId, error.status],
        [code, message, 'r2', answer.status],
      );
      return true;
    });
  }
});

test('details of a refusal are kept, and an answer that is not JSON is said to be none', async () => {
  const { client } = script({
    status: 400,
    body: { error: { code: 'A', message: 'B', details: [{ message: 'first' }, { message: 'second' }, 3] } },
  });
  await assert.rejects(client.get('/x'), (error: ServiceError) => error.details.join() === 'first,second');
  const { client: other } = script({ status: 200, body: '<html>' });
  await assert.rejects(other.get('/x'), /not JSON/);
});

test('a key in place of a token is sent as it is, and null sends none', async () => {
  const { client, asked } = script({ status: 200 }, { status: 200 });
  await client.get('/score', { bearer: 'the-key', apiVersion: null });
  await client.get('/score', { bearer: null });
  assert.equal(asked[0]?.headers['authorization'], 'Bearer the-key');
  assert.equal(asked[0]?.url, 'https://localhost:8443/score');
  assert.equal(asked[1]?.headers['authorization'], undefined);
});

test('a device sign-in is pending, is told to slow down, and ends with tokens; another error is thrown', async () => {
  const { transport, asked } = script(
    { status: 400, body: { error: 'authorization_pending' } },
    { status: 400, body: { error: 'slow_down' } },
    { status: 200, body: { access_token: 'a', refresh_token: 'r', expires_in: 3599 } },
    { status: 400, body: { error: 'expired_token', error_description: 'Too late.' } },
    { status: 200, body: { expires_in: 1 } },
  );
  const endpoint = createTokenEndpoint({ origin: 'https://localhost:8443', tenant: 'organizations', transport });
  assert.equal(await endpoint.pollDevice('code'), 'pending');
  assert.equal(await endpoint.pollDevice('code'), 'slower');
  assert.deepEqual(await endpoint.pollDevice('code'), { accessToken: 'a', refreshToken: 'r', expiresInSeconds: 3599 });
  await assert.rejects(endpoint.pollDevice('code'), /Too late/);
  await assert.rejects(endpoint.withSecret('id', 'secret', 'https://x'), /no token/);
  assert.equal(asked[0]?.url, 'https://localhost:8443/organizations/oauth2/v2.0/token');
  assert.ok(!asked.some(({ url }) => url.includes('secret')), 'nothing secret in an address');
});
