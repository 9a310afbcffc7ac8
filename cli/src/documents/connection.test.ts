// Connections in Azure ML's v2 schema become exactly the bodies that the service takes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionBody } from './connection.ts';
import { openDocuments } from './documents.fixture.ts';

const { file } = openDocuments();

test('a connection says its category, how one signs in, and with what', async () => {
  const read = async (text: string) => connectionBody(await file(text));
  assert.deepEqual(
    await read('name: g\ntype: git\ntarget: https://x\ncredentials: { type: pat, pat: p }\ntags: { a: b }\n'),
    {
      name: 'g',
      body: {
        properties: {
          category: 'Git',
          authType: 'PAT',
          target: 'https://x',
          credentials: { pat: 'p' },
          metadata: { a: 'b' },
        },
      },
    },
  );
  const bodyOf = async (text: string) => {
    const { category, authType, target, credentials } = (await read(text)).body['properties'] as Record<
      string,
      unknown
    >;
    return [category, authType, target, credentials];
  };
  for (const [text, expected] of [
    [
      'type: s3\ntarget: b\ncredentials: { type: access_key, access_key_id: a, secret_access_key: s }\n',
      ['S3', 'AccessKey', 'b', { accessKeyId: 'a', secretAccessKey: 's' }],
    ],
    [
      'type: azure_data_lake_gen2\ntarget: t\ncredentials: { type: service_principal, client_id: c, client_secret: s, tenant_id: t }\n',
      ['ADLSGen2', 'ServicePrincipal', 't', { clientId: 'c', clientSecret: 's', tenantId: 't' }],
    ],
    [
      'type: python_feed\ntarget: t\ncredentials: { type: username_password, username: u, password: p }\n',
      ['PythonFeed', 'UsernamePassword', 't', { username: 'u', password: 'p' }],
    ],
    ['type: api_key\napi_base: https://x\napi_key: k\n', ['ApiKey', 'ApiKey', 'https://x', { key: 'k' }]],
    ['type: custom\ntarget: t\ncredentials: { type: sas, sas_token: s }\n', ['CustomKeys', 'SAS', 't', { sas: 's' }]],
    ['type: snowflake\ntarget: t\n', ['Snowflake', 'None', 't', undefined]],
  ] as const)
    assert.deepEqual(await bodyOf(text), expected);
});

test('what is not read is refused where it stands, without the value', async () => {
  for (const [text, message] of [
    [
      'type: git\ntarget: x\nis_shared: false\n',
      /'is_shared' is not served: who may read a connection is decided by roles/,
    ],
    ['type: azure_open_ai\napi_key: the-secret\n', /'type' is 'azure_open_ai': .* azure-ai-ml makes it/],
    ['type: git\ntarget: x\ncredentials: { type: pat, token: the-secret }\n', /token/],
    ['target: x\n', /type/],
  ] as const)
    await assert.rejects(
      async () => connectionBody(await file(text)),
      (thrown: Error) => message.test(thrown.message) && !thrown.message.includes('the-secret'),
    );
});
