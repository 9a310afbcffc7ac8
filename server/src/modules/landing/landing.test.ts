// What a browser finds, through the real door, without a credential.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { readCertificates } from '#kernel/crypto/certificate';
import { createAuthority } from '#kernel/http/certificates';
import { createTrust } from '#kernel/http/trust';
import { testAudit, testAuthority } from '#kernel/testing/authority';
import { openTestDoor } from '#kernel/testing/door';
import { createLanding } from './index.ts';

const { certificatePem } = await createAuthority('Strongroom at test', new Date());
const { certificatePem: otherPem } = await createAuthority('Somebody else', new Date());
const outside = {
  certificatePem: '',
  privateKeyPem: '',
  notAfter: new Date(),
  issuer: 'Corporate <CA>',
  authorityPem: otherPem,
  digest: '',
  covers: (host: string) => host === 'ml.example.org',
};
let present: typeof outside | undefined;
const { surfaces = [], routes = [] } = createLanding({
  version: '1.2.3',
  trust: createTrust(certificatePem, () => present),
});
const door = await openTestDoor({
  surfaces,
  routes,
  ports: { authorizer: testAuthority().authorizer, audit: testAudit() },
});
after(() => door.close());

const get = async (path: string, accept = 'text/html', method = 'GET') => {
  const answer = await fetch(`${door.url}${path}`, { headers: { accept }, method });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};
const fingerprint = readCertificates(certificatePem)[0]?.fingerprint ?? '';
const tracking =
  '/mlflow/v2.0/subscriptions/s/resourceGroups/team/providers/Microsoft.MachineLearningServices/workspaces/research';

test('a browser finds a page: what this is, how to sign in, whom to trust, three snippets; and nothing from elsewhere', async () => {
  const { status, headers, text } = await get('/', 'text/html,application/xhtml+xml,*/*;q=0.8');
  assert.equal(status, 200);
  const host = new URL(door.url).host;
  for (const part of [
    'Strongroom 1.2.3',
    `strongroom login --url https://${host} --ca-fingerprint ${fingerprint}`,
    `MLFLOW_TRACKING_URI=https://${host}/mlflow/v2.0/subscriptions/`,
    `authorityHost: &#39;https://${host}&#39;`,
    'href="/ca.pem"',
    'href="/organizations/login/device"',
  ])
    assert.ok(text.includes(part), part);
  const policy = headers.get('content-security-policy') ?? '';
  assert.match(policy, /^default-src 'none'; style-src 'sha256-[\w+/=]+' 'sha256-[\w+/=]+'; img-src 'self'; /);
  assert.doesNotMatch(text, /<script|\son\w+=|style=|src="(?!\/)|href="(?!\/)/i);
});

test('a program gets JSON, the authorities as they are, and the fingerprint of exactly those', async () => {
  for (const accept of ['*/*', 'application/json'])
    assert.deepEqual(JSON.parse((await get('/', accept)).text), {
      name: 'Strongroom',
      version: '1.2.3',
      certificateAuthority: `https://${new URL(door.url).host}/ca.pem`,
      fingerprints: [fingerprint],
    });
  const { text, headers } = await get('/ca.pem');
  assert.equal(headers.get('content-type'), 'application/x-pem-file');
  assert.deepEqual(
    readCertificates(text).map((one) => one.fingerprint),
    [fingerprint],
  );
});

test('with certificate files both authorities are handed out, and the page says who issued what is shown', async (t) => {
  present = outside;
  t.after(() => {
    present = undefined;
  });
  assert.deepEqual(
    readCertificates((await get('/ca.pem')).text).map(({ name }) => name),
    ['Strongroom at test', 'Somebody else'],
  );
  assert.doesNotMatch((await get('/')).text, /Corporate/, 'the name that was asked is still of our own authority');
  const trust = createTrust(certificatePem, () => outside);
  assert.equal(trust.issuerOf('ml.example.org'), 'Corporate <CA>');
  assert.equal(trust.issuerOf('x.vault.ml.example.org'), undefined);
});

test('the links of jobs and of MLflow lead to a page that says how to see it', async () => {
  const wsid = '/subscriptions/s/resourceGroups/team/providers/Microsoft.MachineLearningServices/workspaces/research';
  const job = await get(`/portal/jobs/bc-1?wsid=${wsid}`);
  assert.equal(job.status, 200);
  assert.ok(job.text.includes('strongroom job show bc-1 -g team -w research'));
  for (const path of [
    tracking,
    `${tracking}/`,
    tracking.replace('v2.0', 'v1.0'),
    tracking.replace('v2.0/', 'v2.0//'),
  ]) {
    const { status, text } = await get(path);
    assert.equal(status, 200, path);
    assert.ok(text.includes('strongroom job list -g team -w research'), path);
  }
  for (const path of ['/portal', '/portal/', '/favicon.svg', '/favicon.ico'])
    assert.equal((await get(path)).status, 200, path);
});

test('a name out of an address is shown only where it is one: these lines are pasted into shells', async () => {
  const hostile = ['$(reboot)', '`id`', "a'b", 'a;b', 'a b', '<script>', '-rf', 'ａ'];
  for (const name of hostile) {
    const sent = encodeURIComponent(name);
    assert.equal((await get(`/portal/jobs/${sent}`)).status, 404, name);
    for (const path of [
      `/portal/jobs/x?wsid=${encodeURIComponent(`/subscriptions/s/resourceGroups/${name}/providers/p/workspaces/${name}`)}`,
      tracking.replace('team', sent).replace('research', sent),
    ]) {
      const { status, text } = await get(path);
      assert.equal(status, 200, path);
      assert.ok(text.includes('-g GROUP -w WORKSPACE'), path);
      assert.ok(!text.includes(name), path);
    }
  }
  const { status, text } = await get('/portal/%3Cscript%3E');
  assert.equal(status, 404);
  assert.doesNotMatch(text, /<script/);
});

test('nothing of a protocol is taken: below a tracking address, and what only looks like one, belongs to others', () => {
  const [surface] = surfaces;
  const target = (path: string) => ({
    host: '',
    origin: '',
    rawPath: path,
    query: undefined as never,
    segments: path.slice(1).split('/'),
    named: path.slice(1).split('/'),
  });
  for (const path of [
    `${tracking}/api/2.0/mlflow/runs/get`,
    '/mlflow/v3.0/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w',
    '/mlflow/v2.0/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/workspaces/w',
    '/subscriptions',
    '/metadata/endpoints',
    '/secrets',
    '/caXpem',
  ])
    assert.equal(surface?.recognise(target(path)), undefined, path);
});

test('only reading is there', async () => {
  for (const path of ['/', '/ca.pem', '/portal/jobs/x', tracking]) {
    assert.equal((await get(path, '*/*', 'POST')).status, 405, path);
    assert.equal((await get(path, '*/*', 'HEAD')).status, 200, path);
  }
});
