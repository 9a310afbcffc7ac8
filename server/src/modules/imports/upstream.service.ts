// Another registry, asked for one image: OCI distribution specification 1.1, "Pull", with a token that it gives to everybody.
// Promises that what it answers was verified by the digest that it was asked by before anybody reads it, that no more is read than
// was announced, and that nothing takes longer than its bound, however slowly it drips. Believes nothing else of what it is told.

import { Readable } from 'node:stream';
import { sha256Hex } from '#kernel/crypto/digest';
import { Failure } from '#kernel/errors/failure';
import { parseJson } from '#kernel/input/json';
import { mediaTypes, type ReadManifest, readManifest } from '#registry';
import { type Challenge, isToken, readChallenge, tokenUrl } from './challenge.rules.ts';
import { type Descriptor, documentBytesMax } from './contents.rules.ts';
import { reachedAt, tokensFrom } from './docker-hub.data.ts';
import type { FetchUpstream, UpstreamAnswer } from './fetch.port.ts';
import { type ImageName, isDigest, textOfImage } from './image-name.rules.ts';
import { importsFailures } from './imports.errors.ts';

export type UpstreamBounds = {
  /** For a token, a manifest, a configuration. */
  readonly documentMs: number;
  /** For a layer, besides what its bytes take at `bytesPerSecond`. */
  readonly blobMs: number;
  readonly bytesPerSecond: number;
};
export const upstreamBounds: UpstreamBounds = { documentMs: 30_000, blobMs: 60_000, bytesPerSecond: 64 * 1024 };

export type FoundManifest = {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly read: ReadManifest;
  readonly document: unknown;
};

export type Upstream = {
  /** By the name that it was opened for, or by a digest. */
  manifest(reference: string): Promise<FoundManifest>;
  /** A small blob, whole and verified. */
  document(descriptor: Descriptor): Promise<Buffer>;
  /** Exactly as many bytes as announced, or an error; whoever reads verifies the digest. */
  blob(descriptor: Descriptor): Readable;
  /** What made a stream of `blob` fail, or what says that it had another digest. */
  differs(descriptor: Descriptor): Failure;
};

const accepted = Object.values(mediaTypes).join(', ');
const tokenBytesMax = 64 * 1024;
/** How often a blob goes on where it was cut off. */
const cutsMax = 8;

/** @param hosts that tokens and blobs may come from, besides the registry's own */
export function openUpstream(
  fetch: FetchUpstream,
  image: ImageName,
  {
    hosts,
    signal,
    bounds,
  }: { readonly hosts: readonly string[]; readonly signal: AbortSignal; readonly bounds: UpstreamBounds },
): Upstream {
  const { host, repository } = image;
  const name = textOfImage(image);
  const base = `https://${reachedAt[host] ?? host}/v2/${repository}`;
  const allowed = [...hosts, ...(tokensFrom[host] ?? [])];
  let token: string | undefined;

  const unavailable = (why: string) => importsFailures.RegistryUnavailable(name, why);

  async function send(
    url: URL,
    accept: string,
    headers: Readonly<Record<string, string>>,
    until: AbortSignal,
  ): Promise<UpstreamAnswer> {
    const answer = await fetch(url, { hosts: allowed, accept, headers, signal: until }).catch((thrown: unknown) => {
      if (signal.aborted) throw thrown;
      throw unavailable(until.aborted ? `${url.host} did not answer in time` : wordsOf(thrown));
    });
    if ('refused' in answer) throw importsFailures.RegistryWayRefused(name, answer.refused);
    return answer;
  }

  /** A token that anybody gets, for this repository and to pull alone. */
  async function takeToken(challenge: Challenge | undefined, until: AbortSignal): Promise<string> {
    if (challenge === undefined) throw unavailable(`${host} answered 401 and did not say what it wants`);
    if (challenge.scheme !== 'bearer') throw importsFailures.RegistryWantsPassword(name);
    const url = tokenUrl(challenge, repository);
    if (url === undefined) throw unavailable(`${host} names no address for its tokens`);
    // The way out follows what it is asked for; where tokens come from is decided here.
    if (url.host !== new URL(base).host && !allowed.includes(url.host))
      throw importsFailures.RegistryWayRefused(
        name,
        `its tokens come from another host, which is not asked: ${url.host.slice(0, 200)}`,
      );
    const answer = await send(url, 'application/json', {}, until);
    if (answer.status === 401 || answer.status === 403) {
      answer.body.destroy();
      throw importsFailures.RegistryWantsPassword(name);
    }
    if (answer.status !== 200) throw statusOf(answer, url.host);
    const document = jsonOf(await readAll(answer, tokenBytesMax, until));
    const { token: given, access_token: other } = (document ?? {}) as Readonly<Record<string, unknown>>; // each is checked
    const found = given ?? other;
    if (!isToken(found)) throw unavailable(`${url.host} answered no token`);
    return found;
  }

  /** Undefined for what is not there. */
  async function ask(
    path: string,
    accept: string,
    until: AbortSignal,
    more: Readonly<Record<string, string>> = {},
  ): Promise<UpstreamAnswer | undefined> {
    for (let isSecond = false; ; isSecond = true) {
      const own = token === undefined ? more : { ...more, authorization: `Bearer ${token}` };
      const answer = await send(new URL(`${base}/${path}`), accept, own, until);
      const { status } = answer;
      if (status === 200 || status === 206) return answer;
      if (status === 404) {
        answer.body.destroy();
        return undefined;
      }
      if (status === 401 && !isSecond) {
        answer.body.destroy();
        token = await takeToken(readChallenge(answer.headers['www-authenticate']), until);
        continue;
      }
      if (status === 401 || status === 403) {
        answer.body.destroy();
        // Docker Hub says this of what is not there as well.
        throw importsFailures.ImageNotThere(name);
      }
      throw statusOf(answer, host);
    }
  }

  function statusOf({ status, body }: UpstreamAnswer, from: string): Failure {
    body.destroy();
    return unavailable(
      status === 429 ? `${from} says that it was asked too often (429)` : `${from} answered ${status}`,
    );
  }

  async function readAll({ body }: UpstreamAnswer, bytesMax: number, until: AbortSignal): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body) {
        size += (chunk as Buffer).length; // binary streams give buffers
        if (size > bytesMax)
          throw importsFailures.ImageNotTaken(name, `what describes it is larger than ${bytesMax / 1024} KiB`);
        chunks.push(chunk as Buffer);
      }
    } catch (thrown) {
      if (thrown instanceof Failure || signal.aborted) throw thrown;
      throw unavailable(until.aborted ? 'it did not arrive in time' : wordsOf(thrown));
    } finally {
      body.destroy();
    }
    return Buffer.concat(chunks);
  }

  const within = (ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

  const differs = ({ digest }: Pick<Descriptor, 'digest'>) => importsFailures.ContentDiffers(name, digest);

  /** Goes on where it was cut off, as long as it comes forward. */
  async function* bytesOf(descriptor: Descriptor): AsyncGenerator<Buffer> {
    const { digest, size } = descriptor;
    const until = within(bounds.blobMs + Math.ceil((size * 1000) / bounds.bytesPerSecond));
    let at = 0;
    for (let cuts = 0; ; cuts++) {
      const answer = await ask(`blobs/${digest}`, '*/*', until, at === 0 ? {} : { range: `bytes=${at}-` });
      if (answer === undefined)
        throw importsFailures.ImageNotTaken(name, `the registry does not have its blob ${digest}`);
      const goesOn =
        answer.status === 206 && new RegExp(`^bytes ${at}-\\d+/`).test(answer.headers['content-range'] ?? '');
      // From its beginning again: what was had already is passed over.
      let skip = answer.status === 200 ? at : 0;
      if (answer.status === 206 && !goesOn) {
        answer.body.destroy();
        throw differs(descriptor);
      }
      const before = at;
      let cut: unknown;
      try {
        for await (const chunk of answer.body) {
          const bytes = (chunk as Buffer).subarray(Math.min(skip, (chunk as Buffer).length)); // binary streams give buffers
          skip -= (chunk as Buffer).length - bytes.length;
          at += bytes.length;
          if (at > size) throw differs(descriptor);
          if (bytes.length > 0) yield bytes;
        }
      } catch (thrown) {
        if (thrown instanceof Failure || signal.aborted) throw thrown;
        cut = thrown;
      } finally {
        answer.body.destroy();
      }
      if (at === size) return;
      if (until.aborted)
        throw importsFailures.FetchTookTooLong(
          name,
          `${at} of ${size} bytes of ${digest} came, at less than ${bounds.bytesPerSecond / 1024} KiB a second`,
        );
      // It ended by itself, and shorter than it was announced.
      if (cut === undefined) throw differs(descriptor);
      if (cuts >= cutsMax || at === before) throw unavailable(wordsOf(cut));
    }
  }

  return {
    async manifest(reference) {
      const until = within(bounds.documentMs);
      const answer = await ask(`manifests/${reference}`, accepted, until);
      if (answer === undefined) throw importsFailures.ImageNotThere(name);
      const bytes = await readAll(answer, documentBytesMax, until);
      const digest = `sha256:${sha256Hex(bytes)}`;
      if (isDigest(reference) && reference !== digest) throw importsFailures.ContentDiffers(name, reference);
      try {
        const read = readManifest(answer.headers['content-type'] ?? '', bytes);
        return { digest, bytes, read, document: parseJson(bytes) };
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        throw importsFailures.ImageNotTaken(
          name,
          `what the registry gives as its manifest is none. ${thrown.message.replace(/\.$/, '')}`,
        );
      }
    },
    async document(descriptor) {
      if (descriptor.size > documentBytesMax)
        throw importsFailures.ImageNotTaken(name, `what describes it is larger than ${documentBytesMax / 1024} KiB`);
      const until = within(bounds.documentMs);
      const answer = await ask(`blobs/${descriptor.digest}`, '*/*', until);
      if (answer === undefined)
        throw importsFailures.ImageNotTaken(name, `the registry does not have its blob ${descriptor.digest}`);
      const bytes = await readAll(answer, documentBytesMax, until);
      if (`sha256:${sha256Hex(bytes)}` !== descriptor.digest || bytes.length !== descriptor.size)
        throw differs(descriptor);
      return bytes;
    },
    blob: (descriptor) => Readable.from(bytesOf(descriptor), { objectMode: false }),
    differs,
  };
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return parseJson(bytes);
  } catch {
    // As much a token as any other value.
    return undefined;
  }
}

/** Of what went wrong on the way: words of the kernel or of the platform, which hold no secret. */
const wordsOf = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : 'the connection was cut').slice(0, 300);
