// A registry that nobody here wrote, filled by a client that nobody here wrote: an image of it runs here, fetched by its digest.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { image, shellLayer } from '../../agent/src/images/testing.ts';
import { bootstrap, credential, eventually, makeGroup, resources } from '../harness/bootstrap.ts';

const elsewhere = join(dirname(process.env['CONFORMANCE_BOOTSTRAP'] ?? ''), 'elsewhere');
const version = '2024-10-01';

describe('images of another registry', () => {
  const host = readFileSync(join(elsewhere, 'host'), 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'conformance-images-'));
  const certificates = join(folder, 'certificates');
  const made = image([shellLayer(), [{ path: 'opt/word', content: 'from a registry that nobody here wrote' }]]);
  let registry: ChildProcess;
  let workspace = '';

  const skopeo = (...args: string[]) =>
    promisify(execFile)('skopeo', ['--insecure-policy', ...args], { timeout: 60_000 });

  before(async () => {
    const configuration = join(folder, 'registry.json');
    writeFileSync(
      configuration,
      JSON.stringify({
        version: '0.1',
        storage: { filesystem: { rootdirectory: join(folder, 'registry') }, delete: { enabled: true } },
        http: { addr: host, tls: { certificate: join(elsewhere, 'certificate.pem'), key: join(elsewhere, 'key.pem') } },
      }),
    );
    registry = spawn('docker-registry', ['serve', configuration], { stdio: 'ignore' });
    mkdirSync(certificates);
    writeFileSync(join(certificates, 'ca.crt'), readFileSync(join(elsewhere, 'authority.crt')));
    writeLayout(join(folder, 'layout'));
    const target = `docker://${host}/team/base:latest`;
    const copy = ['copy', '--dest-cert-dir', certificates, `oci:${join(folder, 'layout')}:it`, target];
    await eventually('the registry is there', () =>
      skopeo(...copy).then(
        () => true,
        () => undefined,
      ),
    );
    workspace = `${await makeGroup('elsewhere')}/providers/Microsoft.MachineLearningServices/workspaces/elsewhere`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(workspace, version, {
      location: bootstrap.location,
      identity: { type: 'SystemAssigned' },
      properties: { imageRegistries: [`${host}/team/*`] },
    });
  });
  after(async () => {
    registry?.kill();
    await resources.resources.beginDeleteByIdAndWait(workspace, version);
    rmSync(folder, { recursive: true, force: true });
  });

  /** An image of one platform as an OCI layout. */
  function writeLayout(at: string): void {
    mkdirSync(join(at, 'blobs/sha256'), { recursive: true });
    const put = (bytes: Buffer): string => {
      const hex = createHash('sha256').update(bytes).digest('hex');
      writeFileSync(join(at, 'blobs/sha256', hex), bytes);
      return `sha256:${hex}`;
    };
    for (const bytes of made.blobs.values()) put(bytes);
    const manifest = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: put(made.manifest),
      size: made.manifest.length,
      annotations: { 'org.opencontainers.image.ref.name': 'it' },
    };
    writeFileSync(join(at, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(at, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  }

  const put = (id: string, properties: Readonly<Record<string, unknown>>) =>
    resources.resources.beginCreateOrUpdateByIdAndWait(id, version, { location: bootstrap.location, properties });

  it('a job runs in one, which is fixed by the digest that skopeo pushed', async () => {
    const environmentId = `${workspace}/environments/base/versions/1`;
    await put(environmentId, { image: `${host}/team/base` });
    const job = `${workspace}/jobs/elsewhere`;
    await put(job, { jobType: 'Command', command: 'cat /opt/word', environmentId });
    const ended = await eventually(
      'the job ends',
      async () => {
        const { properties = {} } = await resources.resources.getById(job, version);
        return ['Completed', 'Failed', 'Canceled'].includes(String(properties['status'])) ? properties : undefined;
      },
      300,
    );
    const told = ended['properties'] as Readonly<Record<string, string>>;
    assert.equal(ended['status'], 'Completed', JSON.stringify(ended['error']));
    assert.equal(told['strongroom.environment.source'], `${host}/team/base@${made.digest}`);
    assert.ok(told['strongroom.environment.image']?.endsWith(`@${made.digest}`));
    const { token } = await credential.getToken('https://management.azure.com/.default');
    const log = await fetch(`${bootstrap.url}${job}/log?offset=0&api-version=${version}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.match(await log.text(), /from a registry that nobody here wrote$/);
  });

  it('one that the workspace does not name is refused with the command that names it', async () => {
    const environmentId = `${workspace}/environments/base/versions/2`;
    await put(environmentId, { image: `${host}/other/base:v1` });
    await assert.rejects(
      put(`${workspace}/jobs/refused`, { jobType: 'Command', command: 'true', environmentId }),
      /workspace update elsewhere --image-registry 127\.0\.0\.1:\d+\/other\/base/,
    );
  });
});
