// skopeo against the registry: the token flow of /v2/token as containers' own tools speak it, with TLS checked by our CA.
// Images are pushed, named by tag and by digest, listed, copied on and deleted; a wrong password and a missing role are refused.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { bootstrap, credential, makeGroup, resources } from '../harness/bootstrap.ts';

const name = 'conformanceimages';
const repository = `docker://${new URL(bootstrap.url).host}/${name}/team/app`;
const { clientId, clientSecret } = bootstrap.application;

describe('skopeo', () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-skopeo-'));
  const certificates = join(folder, 'certificates');
  const authFile = join(folder, 'auth.json');
  const layout = `oci:${join(folder, 'layout')}:first`;
  let digest = '';
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A call without credentials of its own takes those of `login`. */
  const skopeo = (...args: string[]) =>
    promisify(execFile)('skopeo', ['--insecure-policy', ...args], {
      timeout: 60_000,
      env: { ...process.env, REGISTRY_AUTH_FILE: authFile },
    });
  const source = ['--src-cert-dir', certificates];
  const target = ['--dest-cert-dir', certificates];
  const here = ['--cert-dir', certificates];

  before(async () => {
    const id = `${await makeGroup('images')}/providers/Microsoft.ContainerRegistry/registries/${name}`;
    await resources.resources.beginCreateOrUpdateByIdAndWait(id, '2023-07-01', {
      location: bootstrap.location,
      sku: { name: 'Premium' },
      properties: {},
    });
    mkdirSync(certificates);
    copyFileSync(bootstrap.caFile, join(certificates, 'ca.crt'));
    digest = writeLayout(join(folder, 'layout'));
    const host = new URL(bootstrap.url).host;
    await skopeo('login', ...here, '--username', clientId, '--password', clientSecret, host);
  });

  it('pushes an image, which keeps its digest, and asks for it by tag and by digest', async () => {
    await skopeo('copy', ...target, layout, `${repository}:first`);
    for (const reference of [`${repository}:first`, `${repository}@${digest}`]) {
      const { stdout } = await skopeo('inspect', ...here, '--raw', reference);
      assert.equal(`sha256:${createHash('sha256').update(stdout).digest('hex')}`, digest);
    }
    const { stdout } = await skopeo('inspect', ...here, `${repository}:first`);
    const told = JSON.parse(stdout) as { Digest: string; RepoTags: string[]; Env: string[] };
    assert.equal(told.Digest, digest);
    assert.deepEqual(told.RepoTags, ['first']);
    assert.deepEqual(told.Env, ['GREETING=hello']);
  });

  it('pulls by digest what was pushed, byte by byte', async () => {
    const out = join(folder, 'pulled');
    await skopeo('copy', ...source, `${repository}@${digest}`, `oci:${out}:back`);
    const blob = digest.replace(':', '/');
    assert.deepEqual(readFileSync(join(out, 'blobs', blob)), readFileSync(join(folder, 'layout/blobs', blob)));
  });

  it('copies from one repository to another, where the layers are mounted or sent again', async () => {
    const other = repository.replace('/team/app', '/team/copy');
    await skopeo('copy', ...source, ...target, `${repository}:first`, `${other}:second`);
    const { stdout } = await skopeo('list-tags', ...here, other);
    assert.deepEqual((JSON.parse(stdout) as { Tags: string[] }).Tags, ['second']);
  });

  it('lists the tags of a repository, and deletes an image with them', async () => {
    await skopeo('copy', ...source, ...target, `${repository}:first`, `${repository}:again`);
    const { stdout } = await skopeo('list-tags', ...here, repository);
    assert.deepEqual((JSON.parse(stdout) as { Tags: string[] }).Tags.sort(), ['again', 'first']);
    await skopeo('delete', ...here, `${repository}:again`);
    await assert.rejects(skopeo('inspect', ...here, `${repository}@${digest}`), /manifest unknown/);
  });

  it('takes an access token as the password of the user that stands for tokens', async () => {
    const token = await credential.getToken('https://management.azure.com/.default');
    const user = `00000000-0000-0000-0000-000000000000:${token.token}`;
    await skopeo('copy', ...target, '--dest-creds', user, layout, `${repository}:by-token`);
  });

  it('is refused with a wrong password, without one, and without the certificate of the server', async () => {
    const image = `${repository}:first`;
    await assert.rejects(skopeo('inspect', ...here, '--creds', `${clientId}:wrong`, image), /unauthorized|401/i);
    await assert.rejects(skopeo('inspect', ...here, '--no-creds', image), /unauthorized|authentication required/i);
    await assert.rejects(skopeo('inspect', image), /certificate/);
  });
});

/** An image of one small layer as an OCI layout. Answers the digest of its manifest. */
function writeLayout(folder: string): string {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const put = (bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(folder, 'blobs/sha256', hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  const json = (value: unknown) => put(Buffer.from(JSON.stringify(value)));
  const tar = Buffer.alloc(1024);
  const layer = put(gzipSync(tar));
  const config = json({
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['GREETING=hello'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(tar).digest('hex')}`] },
  });
  const type = (what: string) => `application/vnd.oci.image.${what}`;
  const manifest = json({
    schemaVersion: 2,
    mediaType: type('manifest.v1+json'),
    config: { mediaType: type('config.v1+json'), ...config },
    layers: [{ mediaType: type('layer.v1.tar+gzip'), ...layer }],
  });
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { 'org.opencontainers.image.ref.name': 'first' };
  writeFileSync(
    join(folder, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: type('manifest.v1+json'), ...manifest, annotations }],
    }),
  );
  return manifest.digest;
}
