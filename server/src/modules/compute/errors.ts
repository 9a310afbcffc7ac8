// This module's failures, as a table: codes of the agent protocol and of compute targets, with their sentences.

import { Failure } from '#kernel/errors/failure';

const short = (text: string) => text.slice(0, 200);

export const errors = {
  notServed: (computeType: string) =>
    new Failure({
      kind: 'invalid',
      code: 'ComputeTypeNotServed',
      target: 'properties.computeType',
      message: `Compute of type '${short(computeType)}' is not served here. Use 'AmlCompute': a cluster whose nodes are sandboxes on the machines of this installation.`,
    }),
  wrong: (target: string, message: string) =>
    new Failure({ kind: 'invalid', code: 'ValidationError', target: `properties.${target}`, message }),
  unchangeable: (target: string) =>
    new Failure({
      kind: 'invalid',
      code: 'PropertyChangeNotAllowed',
      target: `properties.${target}`,
      message: `properties.${target} is set when the cluster is created and cannot change. Leave it as it is, or create another cluster.`,
    }),
  quota: (message: string) =>
    new Failure({ kind: 'invalid', code: 'QuotaExceeded', target: 'properties.properties.scaleSettings', message }),
  clusterNotFound: (id: string) =>
    new Failure({
      kind: 'notFound',
      code: 'ComputeNotFound',
      target: short(id),
      message: `There is no compute cluster '${short(id.split('/').at(-1) ?? id)}' in this workspace. Create it, or name one that exists.`,
    }),
  clusterLeaving: (id: string) =>
    new Failure({
      kind: 'conflict',
      code: 'ComputeNotReady',
      target: short(id),
      message: `The compute cluster '${short(id.split('/').at(-1) ?? id)}' is being deleted and takes no more work.`,
    }),
  noAgent: () =>
    new Failure({
      kind: 'unavailable',
      code: 'NoComputeAgent',
      message:
        'This installation runs no compute agent, so nothing can run. Set agent.embedded to true in its configuration and start it again.',
    }),
  noSandbox: (reason: string, remedy: string) =>
    new Failure({
      kind: 'unavailable',
      code: 'SandboxUnavailable',
      message: `No work can run on the machine of this installation: ${reason} On that machine: ${remedy.replace(/\.+$/, '')}. Then restart Strongroom.`,
    }),
  otherWork: () =>
    new Failure({
      kind: 'conflict',
      code: 'WorkExists',
      message: 'Work with this id was submitted before, and it was something else.',
    }),
  queueFull: () =>
    new Failure({
      kind: 'throttled',
      code: 'TooMuchWorkQueued',
      message: 'Too much work is waiting for nodes. Wait until some of it has run, or cancel some.',
      retryAfterSeconds: 30,
    }),
  outside: () =>
    new Failure({
      kind: 'forbidden',
      code: 'AuthorizationFailed',
      message: 'The decision of this request does not reach the workspace of that work.',
    }),
  unknownWork: () => new Failure({ kind: 'notFound', code: 'WorkNotFound', message: 'There is no work with this id.' }),
  stopping: () =>
    new Failure({
      kind: 'unavailable',
      code: 'ServerStopping',
      message: 'The server stops and hands out no more work.',
      retryAfterSeconds: 5,
    }),
  sessionEnded: () =>
    new Failure({
      kind: 'conflict',
      code: 'SessionEnded',
      message: 'This session has ended; everything that was held in it is lost. Stop it all and begin a new session.',
    }),
  leaseLost: () =>
    new Failure({
      kind: 'conflict',
      code: 'LeaseLost',
      message: 'This item is not held by this session under this fence. Stop it and forget it.',
    }),
  eventsMissing: (expected: number) =>
    new Failure({
      kind: 'conflict',
      code: 'EventsMissing',
      message: `Events are missing: ${expected} comes next. Send them in order, from that one on.`,
    }),
  outputTooLong: (limit: number) =>
    new Failure({
      kind: 'invalid',
      code: 'OutputTooLong',
      message: `An output event holds more than ${limit} bytes. Split it.`,
    }),
  notAnAgent: (message: string) =>
    new Failure({ kind: 'unauthenticated', code: 'InvalidAuthenticationToken', message }),
};
