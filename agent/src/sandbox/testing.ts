// What the sandbox tests share: a certificate, a TLS server in the place of Strongroom, the agent's tunnel to it, and a job that runs.
// For tests only. The server is real HTTPS with a real CA check; it stands for another process, not for a module of ours.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { openTunnel } from '../tunnel.ts';
import {
  createSandboxFolder,
  type Interpreter,
  type MountedImage,
  type Pythons,
  probeSandbox,
  type RunnerDocument,
  type RunnerEvent,
  type Sandbox,
  type SandboxEnd,
  type SandboxLimits,
  startSandbox,
} from './sandbox.ts';

const probe = await probeSandbox();
if (!probe.available && process.env.CI === 'true') throw new Error(`${probe.reason} ${probe.remedy}`);

/** For node:test's `skip`: false where sandboxes work, else the reason. Under CI a missing sandbox is a failure instead. */
export const skipReason: string | false = probe.available ? false : `${probe.reason} (${probe.remedy})`;

/** The interpreters of this machine. Throws where no sandbox can be made: tests that need one are skipped there. */
export function pythonsHere(): Pythons {
  if (!probe.available) throw new Error(probe.reason);
  return probe.pythons;
}

// ── A self-signed certificate, in DER: X.509 v3 with the four extensions that strict verifiers ask for. ──

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const oid = (...bytes: readonly number[]): Buffer => der(0x06, Buffer.from(bytes));
const octets = (bytes: Uint8Array): Buffer => der(0x04, bytes);
const TRUE = der(0x01, Buffer.from([0xff]));

function utcTime(when: Date): Buffer {
  return der(0x17, Buffer.from(`${when.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

/** A P-256 key and a certificate of its own for localhost; PEM. */
export function selfSigned(): { readonly key: string; readonly certificate: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const ecdsaSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const name = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from('localhost')))));
  const day = 86_400_000;
  const extensions = sequence(
    sequence(oid(0x55, 0x1d, 0x13), TRUE, octets(sequence(TRUE))),
    sequence(oid(0x55, 0x1d, 0x0f), TRUE, octets(der(0x03, Buffer.from([0x02, 0x84])))),
    sequence(oid(0x55, 0x1d, 0x11), octets(sequence(der(0x82, Buffer.from('localhost'))))),
    sequence(oid(0x55, 0x1d, 0x0e), octets(octets(createHash('sha1').update(spki).digest()))),
  );
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaSha256,
    name,
    sequence(utcTime(new Date(Date.now() - day)), utcTime(new Date(Date.now() + day))),
    name,
    spki,
    der(0xa3, extensions),
  );
  const signature = sign('sha256', body, privateKey);
  const whole = sequence(body, ecdsaSha256, der(0x03, Buffer.from([0]), signature));
  const lines = whole.toString('base64').replace(/.{64}/g, '$&\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
  };
}

// ── Strongroom's side. ──

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A TLS server and the agent's socket in front of it. `requests` records "METHOD path". */
export interface Upstream {
  readonly port: number;
  readonly url: string;
  readonly caPem: string;
  readonly serverSocket: string;
  readonly folder: string;
  readonly requests: string[];
  handle: Handler;
  close(): Promise<void>;
}

export async function startUpstream(
  handle: Handler = (_, response) => response.writeHead(404).end(),
): Promise<Upstream> {
  const { key, certificate } = selfSigned();
  const requests: string[] = [];
  const server = createHttpsServer({ key, cert: certificate }, (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    upstream.handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // The cast: a TCP server that listens has an address of this form.
  const { port } = server.address() as AddressInfo;
  const folder = createSandboxFolder('strongroom-test-');
  const tunnel = await openTunnel('strongroom-test-', '127.0.0.1', port);
  const upstream: Upstream = {
    port,
    url: `https://localhost:${port}`,
    caPem: certificate,
    serverSocket: tunnel.socketPath,
    folder,
    requests,
    handle,
    async close() {
      tunnel.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return upstream;
}

// ── Running something. ──

export const LIMITS: SandboxLimits = {
  memoryBytes: 512 * 1024 * 1024,
  processes: 32,
  openFiles: 256,
  fileBytes: 64 * 1024 * 1024,
};

export interface JobOptions {
  readonly job?: object;
  readonly limits?: Partial<SandboxLimits>;
  readonly scratchBytes?: number;
  readonly sharedBytes?: number;
  readonly hostNames?: readonly string[];
  /** What user code runs on; absent: the node's own. */
  readonly python?: Interpreter;
  readonly image?: MountedImage & { readonly environment?: Readonly<Record<string, string>> };
  /** Folders of inputs that the node keeps. */
  readonly inputs?: ReadonlyMap<string, string>;
}

/** A job in a sandbox, and what it said. `saw` resolves when the user's output matches. */
export interface Running {
  readonly sandbox: Sandbox;
  readonly events: readonly RunnerEvent[];
  readonly output: () => string;
  readonly diagnostics: () => string;
  readonly saw: (pattern: RegExp) => Promise<void>;
}

export function startJob(upstream: Upstream, command: string, options: JobOptions = {}): Running {
  return start(upstream, {
    command: 'job',
    document: { port: upstream.port, job: { token: 'run-token', command, ...options.job } },
    options,
  });
}

export interface StartOptions {
  readonly command: 'job' | 'score';
  readonly document: RunnerDocument;
  readonly options: JobOptions;
  readonly socketFolder?: string;
  readonly onEvent?: (event: RunnerEvent) => void;
}

export function start(
  upstream: Upstream,
  { command, document, options, socketFolder, onEvent }: StartOptions,
): Running {
  const { image } = options;
  const events: RunnerEvent[] = [];
  const said = { user: '', runner: '' };
  const waiting: { readonly pattern: RegExp; readonly resolve: () => void }[] = [];
  const sandbox = startSandbox({
    label: 'test',
    command,
    limits: { ...LIMITS, ...options.limits },
    scratchBytes: options.scratchBytes ?? 64 * 1024 * 1024,
    ...(options.sharedBytes === undefined ? {} : { sharedBytes: options.sharedBytes }),
    own: pythonsHere().own,
    ...(options.python === undefined ? {} : { python: options.python }),
    document: {
      ...document,
      ...(image === undefined ? {} : { image }),
      ...(options.python === undefined ? {} : { python: options.python.version }),
    },
    ...(image === undefined ? {} : { image }),
    ...(options.inputs === undefined ? {} : { inputs: options.inputs }),
    serverSocket: upstream.serverSocket,
    caPem: upstream.caPem,
    ...(socketFolder === undefined ? {} : { socketFolder }),
    ...(options.hostNames === undefined ? {} : { hostNames: options.hostNames }),
    onEvent: (event) => {
      events.push(event);
      onEvent?.(event);
    },
    onOutput: (chunk, stream) => {
      said[stream] += chunk;
      for (const { pattern, resolve } of waiting) if (pattern.test(said.user)) resolve();
    },
  });
  return {
    sandbox,
    events,
    output: () => said.user,
    diagnostics: () => said.runner,
    saw: (pattern) =>
      new Promise((resolve, reject) => {
        if (pattern.test(said.user)) return resolve();
        waiting.push({ pattern, resolve });
        void sandbox.done.then((end) =>
          reject(new Error(`ended (${JSON.stringify(end)}) before ${pattern} was printed: ${said.user}${said.runner}`)),
        );
      }),
  };
}

/** Runs a command to its end. */
export async function runJob(
  upstream: Upstream,
  command: string,
  options: JobOptions = {},
): Promise<Running & { readonly end: SandboxEnd }> {
  const running = startJob(upstream, command, options);
  return { ...running, end: await running.sandbox.done };
}

/** A command line that runs a Python program, quoted for the shell. */
export function python(program: string): string {
  return `python3 -c '${program.replaceAll("'", `'"'"'`)}'`;
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
