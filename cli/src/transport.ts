// The way from the command line to the server: HTTPS with the certificate authority that was given and no other, TLS 1.2 or
// later. Names below `.localhost` go to this machine without asking a resolver (RFC 6761), so that hosts of vaults and
// storage accounts work on a laptop. Nothing here turns verification off. A proxy that HTTPS_PROXY names carries the connection and
// sees where it goes: TLS is spoken with the server, through it.

import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent, request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Transport, TransportAnswer } from '@strongroom/contract/client';

/** No answer at all, in words that say what to do. */
export class NoAnswer extends Error {}

export type HttpsTransport = { readonly send: Transport; close(): void };

const isLocal = (host: string) => host === 'localhost' || host.endsWith('.localhost');
/** A body from this size on is worth waiting for a refusal first. */
const largeBytes = 1024 * 1024;
const refusalMs = 500;
const answerBytesMax = 64 * 1024 * 1024;

export const lookupHere: LookupFunction = (_host, options, done) =>
  options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);

type Environment = Readonly<Record<string, string | undefined>>;

export type TransportOptions = {
  /** In PEM; absent: the authorities that the runtime knows. */
  readonly caFile?: string | undefined;
  /** Where HTTPS_PROXY and NO_PROXY stand. Absent: no proxy. */
  readonly environment?: Environment | undefined;
  /** Of silence, not of the whole. */
  readonly timeoutMs?: number;
};

export function createTransport(options: TransportOptions): HttpsTransport {
  const ca = options.caFile === undefined ? undefined : readAuthority(options.caFile);
  const timeout = options.timeoutMs ?? 120_000;
  const proxy = proxyOf(options.environment ?? {});
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 16,
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
    ...proxy?.agentOptions,
  });

  const send: Transport = (call) =>
    new Promise<TransportAnswer>((resolve, reject) => {
      const url = new URL(call.url);
      const isPlain = url.protocol === 'http:';
      // A token over a plain wire is a token given away; only this machine itself is excepted, for tests and proxies on it.
      if (isPlain && !isLocal(url.hostname) && url.hostname !== '127.0.0.1')
        return reject(new NoAnswer(`${url.origin} is not https. Strongroom is spoken to over TLS only.`));
      const bytes =
        typeof call.body === 'string'
          ? Buffer.from(call.body)
          : call.body instanceof Uint8Array
            ? call.body
            : undefined;
      const begin = isPlain ? plainRequest : request;
      const outgoing = begin(
        url,
        {
          method: call.method,
          headers: { ...call.headers, ...(bytes === undefined ? {} : { 'content-length': String(bytes.byteLength) }) },
          timeout,
          ...(isPlain ? {} : { agent }),
          ...(isLocal(url.hostname) ? { lookup: lookupHere } : {}),
          ...(call.signal === undefined ? {} : { signal: call.signal }),
        },
        (incoming) => resolve(answerOf(incoming)),
      );
      outgoing.on('timeout', () =>
        outgoing.destroy(new NoAnswer(`${url.host} did not answer within ${timeout / 1000} seconds.`)),
      );
      // A source that fails is the reason, and the broken connection only what followed from it.
      let sourceError: unknown;
      const sourced = async function* (body: AsyncIterable<Uint8Array>) {
        try {
          yield* body;
        } catch (thrown) {
          sourceError = thrown;
          throw thrown;
        }
      };
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        // A server ends a connection that was idle for long, perhaps as this request was on its way (RFC 9112 section 9.3.1).
        const isStale = outgoing.reusedSocket && lost.has(error.code ?? '');
        if (isStale && safeMethods.has(call.method)) return resolve(send(call));
        reject(sourceError ?? explain(error, url, options.caFile, proxy));
      });
      const sendBody = () => {
        if (call.body === undefined || bytes !== undefined) outgoing.end(bytes);
        // The server may answer before it has read everything (a refusal): what it said is worth more than the broken pipe.
        else
          pipeline(Readable.from(sourced(call.body as AsyncIterable<Uint8Array>)), outgoing).catch((error: Error) =>
            outgoing.destroy(error),
          );
      };
      const length = bytes?.byteLength ?? Number(call.headers['content-length'] ?? 0);
      if (length <= largeBytes) return sendBody();
      // Whether a request may be is decided on its head, and a refused body is cut off, which can tear the refusal away with
      // it. Before much is sent, the head goes alone, and a refusal gets a moment to arrive.
      const patience = setTimeout(sendBody, refusalMs);
      outgoing.once('response', () => clearTimeout(patience));
      outgoing.once('close', () => clearTimeout(patience));
      outgoing.flushHeaders();
    });

  return { send, close: () => agent.destroy() };
}

function answerOf(incoming: IncomingMessage): TransportAnswer {
  return {
    status: incoming.statusCode ?? 0,
    header(name) {
      const value = incoming.headers[name.toLowerCase()];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: incoming,
    async text() {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > answerBytesMax) throw new NoAnswer('The answer is too long to hold. Ask for less.');
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}

function readAuthority(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new NoAnswer(
      `The CA file ${file} cannot be read. 'strongroom trust' on the server's machine prints the certificate to save there.`,
    );
  }
}

/** What changes nothing may be sent again. */
const safeMethods = new Set(['GET', 'HEAD']);
const lost = new Set(['ECONNRESET', 'EPIPE']);
const untrusted = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
  'CERT_SIGNATURE_FAILURE',
]);

export type Proxy = {
  /** Without its credentials, for messages. */
  readonly host: string;
  readonly hostname: string;
  readonly port: string;
  /** What Node's own agents take. */
  readonly agentOptions: {
    readonly proxyEnv: { readonly HTTPS_PROXY: string; readonly NO_PROXY: string };
  };
};

/** This machine is never reached by way of another one, whatever NO_PROXY says. */
const neverProxied = 'localhost,.localhost,127.0.0.1-127.255.255.255,::1,[::1]';

/** The proxy that the environment names, small letters first, as command lines do. @throws NoAnswer for an address that is none */
export function proxyOf(environment: Environment): Proxy | undefined {
  const named = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const address = named('HTTPS_PROXY')?.trim();
  if (address === undefined || address === '') return undefined;
  const url = URL.parse(address);
  if (url === null || url.protocol !== 'http:' || url.hostname === '')
    // It may hold a password: it is not repeated.
    throw new NoAnswer('HTTPS_PROXY is no address of a proxy. It looks like http://proxy.example:3128.');
  const others = named('NO_PROXY');
  return {
    host: `${url.hostname}:${url.port || '80'}`,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port || '80',
    agentOptions: {
      proxyEnv: { HTTPS_PROXY: url.href, NO_PROXY: others === undefined ? neverProxied : `${neverProxied},${others}` },
    },
  };
}

type WayError = NodeJS.ErrnoException & {
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
};

/** What went wrong on the way to the proxy or at it, as far as the failure shows that. */
export function explainProxy(error: WayError, url: URL, proxy: Proxy | undefined): NoAnswer | undefined {
  if (proxy === undefined) return undefined;
  const { code = '', message } = error;
  const leave = `Is HTTPS_PROXY right? NO_PROXY=${url.hostname} goes without it.`;
  if (code === 'ERR_PROXY_TUNNEL') {
    const [, status] = /HTTP\/1\.[01] (\d{3})/.exec(message) ?? [];
    return new NoAnswer(
      `The proxy ${proxy.host} does not open a way to ${url.host}${status === undefined ? '' : ` (${status})`}. ${leave}`,
    );
  }
  const isThere = error.hostname === proxy.hostname || String(error.port) === proxy.port;
  // Where the server has the same name and port, the failure may be the server's own.
  if (!isThere || url.hostname === proxy.hostname || (error.hostname === undefined && url.port === proxy.port))
    return undefined;
  if (code === 'ECONNREFUSED') return new NoAnswer(`Nothing listens at the proxy ${proxy.host}. ${leave}`);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new NoAnswer(`The name of the proxy ${proxy.host} cannot be resolved. ${leave}`);
  return undefined;
}

function explain(error: NodeJS.ErrnoException, url: URL, caFile: string | undefined, proxy: Proxy | undefined): Error {
  if (error instanceof NoAnswer || error.name === 'AbortError') return error;
  const { code = '' } = error;
  const atProxy = explainProxy(error, url, proxy);
  if (atProxy !== undefined) return atProxy;
  if (untrusted.has(code))
    return new NoAnswer(
      caFile === undefined
        ? `The certificate of ${url.host} is not one that this machine trusts. Sign in with 'strongroom login --ca-fingerprint SHA256', which the server printed when it started, or give its authority with --ca-file.`
        : `The certificate of ${url.host} was not issued by the authority in ${caFile}. Another server answers there, or its authority is new.`,
    );
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new NoAnswer(
      `The certificate of ${url.host} is for other names. Use the name that the server was configured with.`,
    );
  if (code === 'ECONNREFUSED')
    return new NoAnswer(
      `Nothing listens at ${url.host}. Is the server running ('strongroom server start') and the address right (--url)?`,
    );
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new NoAnswer(`The name ${url.hostname} cannot be resolved. Is the address right (--url)?`);
  if (lost.has(code)) return new NoAnswer(`${url.host} closed the connection before it answered.`);
  return new NoAnswer(`No answer from ${url.host}: ${error.message}`);
}
