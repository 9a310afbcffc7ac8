// For tests: a registry of somebody else on this machine, over TLS by an authority of its own. It speaks the OCI distribution
// protocol as public ones do, with a token for everybody; and can be told to misbehave.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FetchUpstream } from '#imports';
import { createAuthority, issueLeaf } from '#kernel/http/certificates';
import { registriesOf } from '../src/compose/ways-out.ts';
import { digestOf, ociManifest, type TestImage } from './image.fixture.ts';

export const ociIndex = 'application/vnd.oci.image.index.v1+json';

type Stored = { readonly type: string; readonly bytes: Buffer };
/** True: it has answered, and the registry does not. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => boolean;

export type TestUpstream = {
  /** As an image names it. */
  readonly host: string;
  readonly authorityPem: string;
  /** `METHOD PATH`, of what was asked with a token or without. */
  readonly asked: string[];
  /** Authorization of each of these, `none` where there was none. */
  readonly credentials: string[];
  misbehave: Misbehaviour;
  /** What it would answer: for whoever has held a request back. */
  answer(request: IncomingMessage, response: ServerResponse): void;
  put(path: string, type: string, bytes: Buffer): void;
  /** Under a tag; answers the digest. */
  push(repository: string, tag: string, image: TestImage): string;
  /** A list of these for platforms, under a tag; answers its digest. */
  list(repository: string, tag: string, images: readonly (readonly [TestImage, object])[]): string;
  close(): void;
};

export const makeAuthority = () => createAuthority('Test registry', new Date());
let shared: ReturnType<typeof makeAuthority> | undefined;

export async function openUpstreamRegistry(t: Pick<TestContext, 'after'>): Promise<TestUpstream> {
  shared ??= makeAuthority();
  const { certificatePem, privateKey } = await shared;
  const leaf = await issueLeaf({ certificatePem, privateKey }, ['localhost'], ['127.0.0.1'], new Date());
  const stored = new Map<string, Stored>();
  const server = createServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem }, (request, response) => {
    upstream.asked.push(`${request.method} ${decodeURIComponent(request.url ?? '')}`);
    upstream.credentials.push(request.headers.authorization ?? 'none');
    if (!upstream.misbehave(request, response)) answer(request, response);
  });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url ?? '');
    const url = new URL(path, upstreamOrigin());
    if (url.pathname === '/token') {
      const token = Buffer.from(String(url.searchParams.get('scope'))).toString('base64url');
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }));
    }
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(url.pathname)?.[1] ?? '';
    const wanted = `Bearer ${Buffer.from(`repository:${repository}:pull`).toString('base64url')}`;
    if (request.headers.authorization !== wanted)
      return void response
        .writeHead(401, {
          'www-authenticate': `Bearer realm="${upstreamOrigin()}/token",service="test",scope="repository:${repository}:pull,push"`,
        })
        .end('{}');
    const found = stored.get(url.pathname);
    if (found === undefined) return void response.writeHead(404).end('{}');
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from ?? 0);
    const { bytes, type } = found;
    response.writeHead(from === undefined ? 200 : 206, {
      'content-type': type,
      'content-length': bytes.length - start,
      ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.end(bytes.subarray(start));
  }
  const upstreamOrigin = () => `https://${upstream.host}`;

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  t.after(close);
  const put = (path: string, type: string, bytes: Buffer) => void stored.set(path, { type, bytes });
  const pushed = (repository: string, { blobs, manifest }: TestImage): string => {
    for (const [digest, bytes] of blobs) put(`/v2/${repository}/blobs/${digest}`, 'application/octet-stream', bytes);
    const digest = digestOf(manifest);
    put(`/v2/${repository}/manifests/${digest}`, ociManifest, manifest);
    return digest;
  };
  const upstream: TestUpstream = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    authorityPem: certificatePem,
    asked: [],
    credentials: [],
    misbehave: () => false,
    answer,
    put,
    push(repository, tag, image) {
      put(`/v2/${repository}/manifests/${tag}`, ociManifest, image.manifest);
      return pushed(repository, image);
    },
    list(repository, tag, images) {
      const manifests = images.map(([image, platform]) => ({
        mediaType: ociManifest,
        digest: pushed(repository, image),
        size: image.manifest.length,
        platform,
      }));
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
      for (const reference of [tag, digestOf(bytes)]) put(`/v2/${repository}/manifests/${reference}`, ociIndex, bytes);
      return digestOf(bytes);
    },
    close,
  };
  return upstream;
}

/** The way out of a server whose operator has named these registries as his own. */
export function wayTo(
  t: Pick<TestContext, 'after'>,
  upstreams: readonly Pick<TestUpstream, 'host' | 'authorityPem'>[],
  inside = upstreams.map(({ host }) => host),
): FetchUpstream {
  return registriesOf({ insideRegistries: inside, registryAuthorityFile: authorityFile(t, upstreams) });
}

/** Their authorities, as the setting wants them. */
export function authorityFile(
  t: Pick<TestContext, 'after'>,
  upstreams: readonly Pick<TestUpstream, 'authorityPem'>[],
): string {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-authority-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'authorities.pem');
  writeFileSync(file, [...new Set(upstreams.map(({ authorityPem }) => authorityPem))].join(''));
  return file;
}
