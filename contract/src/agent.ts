// The protocol between the server and an agent: JSON over HTTPS below `/agent/{agent}`, and the one line by which an agent is
// enrolled. What an agent holds is repeated with every poll, so that a lost answer repairs itself: the server hands out again
// what the agent does not hold, and orders it to drop what it holds in vain.

import { type Static, Type } from './schema.ts';

export const agentLimits = {
  /** A poll is answered at once when there is something to do, and after this long when there is not. */
  pollSeconds: 25,
  /** An agent that is not heard of for this long has lost everything that it held. */
  leaseSeconds: 60,
  /** UTF-8 bytes of one output event. */
  outputBytes: 65_536,
  eventsOfBatch: 256,
  /** Escaping can make a byte of output six of JSON. */
  batchBytes: 4 * 1024 * 1024,
  textOfBatchBytes: 512 * 1024,
  /** Versions of Python of one node. */
  pythons: 32,
  /** Interpreters that an operator names. */
  pythonsNamed: 64,
  held: 512,
  /** Into an image, beside /env. */
  links: 64,
  tokenSeconds: 3600,
  /** Requests to one session's work at once, over its tunnel. */
  calls: 512,
  /** Of the line that an answer in the tunnel begins with. */
  answerHeadBytes: 65_536,
  answerBytes: 1024 ** 3,
} as const;

const bytes = (minimum: number) => Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER });
const identifier = Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9._-]+$' });
const seq = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

/** Bounds of one sandbox; see the sandbox's own description. */
export const sandboxLimits = Type.Object({
  memoryBytes: bytes(16 * 1024 * 1024),
  processes: bytes(1),
  openFiles: bytes(16),
  fileBytes: bytes(1),
  cpuSeconds: Type.Optional(bytes(1)),
});
export type SandboxLimits = Static<typeof sandboxLimits>;

/** How work ended; see the sandbox's own description. */
export const endReason = Type.Union([
  Type.Literal('exited'),
  Type.Literal('signal'),
  Type.Literal('timeout'),
  Type.Literal('memory'),
  Type.Literal('stopped'),
  Type.Literal('policy'),
  Type.Literal('setup_failed'),
  Type.Literal('upload_failed'),
  Type.Literal('output_missing'),
  Type.Literal('init_failed'),
  Type.Literal('crashed'),
]);
export type EndReason = Static<typeof endReason>;

/** One line on the agent's standard input. It holds a secret: never an argument, never the environment. */
export const agentEnrolment = Type.Object({
  agent: identifier,
  /** `https://host:port` of the server. */
  url: Type.String({ pattern: '^https://[^/]+$', maxLength: 300 }),
  /** PEM of the only authority that the agent trusts. */
  caPem: Type.String({ maxLength: 65_536 }),
  token: Type.String({ maxLength: 16_384 }),
  tokenSeconds: Type.Integer({ minimum: 1 }),
  /** Names besides localhost that lead to the server from inside a sandbox. */
  hostNames: Type.Array(Type.String({ maxLength: 253 }), { maxItems: 64 }),
  /** How the server reaches what runs there: a socket of its own machine, or the agent's connections to it. */
  reach: Type.Union([Type.Literal('unix'), Type.Literal('tunnel')]),
  /** Of unpacked images: how much together, and a folder that the operator says is encrypted, else in memory. */
  images: Type.Optional(
    Type.Object({
      bytes: bytes(0),
      folder: Type.Optional(Type.String({ pattern: '^/[^\\u0000]*$', maxLength: 1024 })),
    }),
  ),
  /**
   * Of inputs that the node keeps: how much together, and where. The node seals them, unless the operator says that the disk of the
   * folder is encrypted. Absent: none.
   */
  inputs: Type.Optional(
    Type.Object({
      bytes: bytes(0),
      folder: Type.Optional(Type.String({ pattern: '^/[^\\u0000]*$', maxLength: 1024 })),
      isEncrypted: Type.Optional(Type.Boolean()),
    }),
  ),
  /** Interpreters, or folders of their installations, that the operator names beside those that the agent finds. */
  pythons: Type.Optional(
    Type.Array(Type.String({ pattern: '^/[^\\u0000]*$', maxLength: 1024 }), { maxItems: agentLimits.pythonsNamed }),
  ),
});
export type AgentEnrolment = Static<typeof agentEnrolment>;

/** An interpreter of CPython that work can run on. */
export const offeredPython = Type.Object(
  {
    /** `3.11` */
    version: Type.String({ pattern: '^3\\.[0-9]{1,3}$' }),
    /** `3.11.2` */
    release: Type.String({ pattern: '^3\\.[0-9]{1,3}\\.[0-9A-Za-z+]{1,16}$' }),
    /** As its modules are named: `cpython-311-x86_64-linux-gnu`. */
    abi: Type.String({ pattern: '^cpython-3[0-9]{1,3}-[a-z0-9_-]{1,40}$' }),
  },
  { additionalProperties: false },
);
export type OfferedPython = Static<typeof offeredPython>;

/** What exists in the sandboxes of a node, one of a version; the one that is taken when none is asked for first. */
const offeredPythons = Type.Array(offeredPython, { maxItems: agentLimits.pythons });

/** Bytes of inputs that a node keeps beyond its memory, or why it keeps none, for its operator. */
export const keptInputs = Type.Union([
  Type.Object({ bytes: bytes(0) }, { additionalProperties: false }),
  Type.Object({ reason: Type.String({ maxLength: 1000 }) }, { additionalProperties: false }),
]);
export type KeptInputs = Static<typeof keptInputs>;

/** How what runs there is reached. */
export const reachOffer = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('unix'),
      /** The Unix socket of the scoring gateway: a path that fits a socket address. */
      socketPath: Type.String({ pattern: '^/[^\\u0000]{1,106}$' }),
      /** What a request at that socket has to show. */
      key: Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' }),
    },
    { additionalProperties: false },
  ),
  /** The agent asks for each request and brings its answer. */
  Type.Object({ kind: Type.Literal('tunnel') }, { additionalProperties: false }),
]);
export type ReachOffer = Static<typeof reachOffer>;

export const agentSessionRequest = Type.Object(
  {
    sandbox: Type.Union([
      Type.Object({
        available: Type.Literal(true),
        version: Type.String({ maxLength: 64 }),
        pythons: Type.Optional(offeredPythons),
      }),
      Type.Object({
        available: Type.Literal(false),
        reason: Type.String({ maxLength: 2000 }),
        remedy: Type.String({ maxLength: 2000 }),
      }),
    ]),
    reach: reachOffer,
    /** Absent: not known yet, and none are kept. */
    inputs: Type.Optional(keptInputs),
  },
  { additionalProperties: false },
);
export type AgentSessionRequest = Static<typeof agentSessionRequest>;

export const agentSessionAnswer = Type.Object({
  session: identifier,
  pollSeconds: Type.Integer(),
  leaseSeconds: Type.Integer(),
});

const held = Type.Object(
  {
    id: identifier,
    fence: seq,
    /** The grace period of the stop that the agent carries out; absent while nobody asked for one. */
    stopGraceSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);
export type HeldItem = Static<typeof held>;

export const agentPollRequest = Type.Object(
  {
    session: identifier,
    held: Type.Array(held, { maxItems: agentLimits.held }),
    /** Where they are others than the agent said last. */
    pythons: Type.Optional(offeredPythons),
    /** The same; never said: it is not known yet, and none are kept. */
    inputs: Type.Optional(keptInputs),
  },
  { additionalProperties: false },
);
export type AgentPollRequest = Static<typeof agentPollRequest>;

/** An image of the server's registry that the agent brings, with the token of the work; the runner is told what it sets. */
const itemImage = Type.Object({
  /** With its registry's name before it. */
  repository: Type.String({ maxLength: 512 }),
  digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }),
  /** What runs has it for its root, or at /job/image. */
  as: Type.Union([Type.Literal('root'), Type.Literal('environment')]),
  /** It must not be on a disk, whatever the operator says of the disk. */
  inMemory: Type.Boolean(),
});

/** Inputs of the job that a node which keeps inputs shares, read-only, between jobs of one scope; their files are told with the job. */
const itemInputs = Type.Object({
  scope: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
  /** They are too large for the memory of a node. */
  isNeeded: Type.Boolean(),
  inputs: Type.Array(
    Type.Object({
      name: Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_.-]{0,254}$' }),
      /** Answers the token of the job whether it may read this input, and how many files and bytes it has. */
      url: Type.String({ maxLength: 4096 }),
    }),
    { maxItems: 100 },
  ),
});

export const agentItem = Type.Object({
  id: identifier,
  kind: Type.Union([Type.Literal('job'), Type.Literal('score')]),
  fence: seq,
  label: Type.String(),
  /** For the runner, tokens included. */
  document: Type.Object({
    port: Type.Integer(),
    /** The version of one of the agent's `pythons`; absent: its first. */
    python: Type.Optional(Type.String()),
    /** Of the interpreter that the environment was built with; absent: not known. */
    abi: Type.Optional(Type.String()),
    image: Type.Optional(itemImage),
    kept: Type.Optional(itemInputs),
    /** Names below / that lead into the image at /job/image. */
    links: Type.Optional(
      Type.Array(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }), { maxItems: agentLimits.links }),
    ),
    /** What runs can write to its root, which is gone with it: that of the image, or one of the node's own with an empty /env. */
    writableRoot: Type.Optional(Type.Literal(true)),
    job: Type.Optional(Type.Object({})),
    score: Type.Optional(Type.Object({})),
  }),
  limits: sandboxLimits,
  scratchBytes: bytes(1024 * 1024),
  sharedBytes: Type.Optional(bytes(1024 * 1024)),
});
export type AgentItem = Static<typeof agentItem>;

export const agentPollAnswer = Type.Object({
  start: Type.Array(agentItem),
  stop: Type.Array(Type.Object({ id: identifier, fence: seq, graceSeconds: Type.Integer({ minimum: 0 }) })),
  tokens: Type.Array(Type.Object({ id: identifier, fence: seq, token: Type.String() })),
});
export type AgentPollAnswer = Static<typeof agentPollAnswer>;

export const agentEvent = Type.Union([
  Type.Object(
    {
      type: Type.Union([
        Type.Literal('preparing'),
        Type.Literal('running'),
        Type.Literal('finalizing'),
        Type.Literal('ready'),
      ]),
    },
    { additionalProperties: false },
  ),
  Type.Object(
    { type: Type.Literal('output'), text: Type.String({ maxLength: agentLimits.outputBytes }) },
    { additionalProperties: false },
  ),
  Type.Object(
    {
      type: Type.Literal('finished'),
      reason: endReason,
      exitCode: Type.Union([Type.Integer({ minimum: -1, maximum: 255 }), Type.Null()]),
      message: Type.Optional(Type.String({ maxLength: 4000 })),
    },
    { additionalProperties: false },
  ),
]);
export type AgentEvent = Static<typeof agentEvent>;

export const agentEventsRequest = Type.Object(
  {
    session: identifier,
    fence: seq,
    events: Type.Array(Type.Object({ seq, event: agentEvent }, { additionalProperties: false }), {
      minItems: 1,
      maxItems: agentLimits.eventsOfBatch,
    }),
  },
  { additionalProperties: false },
);
export type AgentEventsRequest = Static<typeof agentEventsRequest>;
export const agentEventsAnswer = Type.Object({ lastSeq: Type.Integer() });

export const agentTokenAnswer = Type.Object({ token: Type.String(), tokenSeconds: Type.Integer() });

/** Headers of a request at the agent's scoring gateway. */
export const gatewayHeaders = { work: 'x-strongroom-work', key: 'x-strongroom-key' } as const;

const headers = Type.Record(
  Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$" }),
  Type.String({ pattern: '^[\\t\\x20-\\x7e\\x80-\\xff]*$' }),
  { additionalProperties: false },
);

/** A request for work of the agent, as it stands, in base64url, in a header of the answer that holds its body. */
export const callHead = Type.Object({
  call: identifier,
  work: identifier,
  method: Type.String({ pattern: '^[A-Z]{1,16}$' }),
  path: Type.String({ pattern: '^/[\\x21-\\xff]*$' }),
  headers,
});
export type CallHead = Static<typeof callHead>;
export const callHeader = 'x-strongroom-call';

/** The line of JSON that an answer begins with; its body follows. */
export const callAnswerHead = Type.Object(
  { status: Type.Integer({ minimum: 200, maximum: 599 }), headers },
  { additionalProperties: false },
);
export type CallAnswerHead = Static<typeof callAnswerHead>;
