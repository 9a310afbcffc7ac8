// What compute refuses: of compute targets in the words of Resource Manager, of work, and of the agents that run it.

import { defineFailures } from '#kernel/errors/failures';

const short = (text: string) => text.slice(0, 200);
const nameIn = (id: string) => short(id.split('/').at(-1) ?? id);

const ofScale = (message: string) => ({ target: 'properties.properties.scaleSettings', message });

export const computeFailures = defineFailures('compute', {
  ComputeTypeNotServed: {
    kind: 'invalid',
    meaning: 'A compute target was asked for that is no cluster.',
    remedy: "Send computeType 'AmlCompute'.",
    say: (computeType: string) => ({
      target: 'properties.computeType',
      message: `Compute of type '${short(computeType)}' is not served here. Use 'AmlCompute': a cluster whose nodes are sandboxes on the machines of this installation.`,
    }),
  },
  nothingToAttach: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A cluster names a resource to attach.',
    remedy: 'Leave resourceId out: a cluster is made here.',
    say: () => ({
      target: 'properties.resourceId',
      message: 'An AmlCompute cluster is made here, and nothing is attached: leave properties.resourceId out.',
    }),
  },
  onlyLinux: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A cluster is to run another system than Linux.',
    remedy: 'Set osType to Linux, or leave it out.',
    say: () => ({ target: 'properties.properties.osType', message: 'Nodes run Linux. Set osType to Linux.' }),
  },
  scaleMissing: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A cluster does not say how many nodes it may have.',
    remedy: 'Send scaleSettings with maxNodeCount.',
    say: () => ({
      target: 'properties.properties.scaleSettings',
      message: 'properties.properties.scaleSettings is required: say at least maxNodeCount.',
    }),
  },
  scaleReversed: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A cluster would always keep more nodes than it may have.',
    remedy: 'Lower minNodeCount, or raise maxNodeCount.',
    say: (min: number, max: number) => ({
      target: 'properties.properties.scaleSettings.minNodeCount',
      message: `minNodeCount ${min} is more than maxNodeCount ${max}.`,
    }),
  },
  idleTime: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'The time that nodes idle is no duration, or longer than a week.',
    remedy: 'Write it as PT5M.',
    say: () => ({
      target: 'properties.properties.scaleSettings.nodeIdleTimeBeforeScaleDown',
      message: 'nodeIdleTimeBeforeScaleDown is an ISO 8601 duration of at most 7 days, for example PT5M.',
    }),
  },
  PropertyChangeNotAllowed: {
    kind: 'invalid',
    meaning: 'A property that a cluster is created with was to change.',
    remedy: 'Leave it as it is, or create another cluster.',
    say: (target: string) => ({
      target: `properties.${target}`,
      message: `properties.${target} is set when the cluster is created and cannot change. Leave it as it is, or create another cluster.`,
    }),
  },
  clusterTooLarge: {
    kind: 'invalid',
    code: 'QuotaExceeded',
    meaning: 'A cluster would have more nodes than the installation has for all clusters together.',
    remedy: 'Ask for no more than the message says, or let an operator raise agent.maxNodes.',
    say: (nodes: number, nodesMax: number) =>
      ofScale(
        `A cluster of ${nodes} nodes is more than the ${nodesMax} that this installation has for all clusters together. Ask for at most ${nodesMax}, or let an operator raise agent.maxNodes.`,
      ),
  },
  nodesKeptByOthers: {
    kind: 'invalid',
    code: 'QuotaExceeded',
    meaning: 'A cluster would always keep nodes that other clusters keep already.',
    remedy: 'Ask for a smaller minNodeCount, or lower theirs.',
    say: (nodes: number, nodesMax: number, left: number) =>
      ofScale(
        `${nodes} nodes cannot always be kept: other clusters keep so many of the ${nodesMax} nodes of this installation that ${left} are left. Ask for a smaller minNodeCount, or lower theirs.`,
      ),
  },
  ComputeNotFound: {
    kind: 'notFound',
    meaning: 'Work names a cluster that is not in its workspace.',
    remedy: 'Create the cluster, or name one that exists.',
    say: (id: string) => ({
      target: short(id),
      message: `There is no compute cluster '${nameIn(id)}' in this workspace. Create it, or name one that exists.`,
    }),
  },
  ComputeNotReady: {
    kind: 'conflict',
    meaning: 'Work was submitted to a cluster that is being deleted.',
    remedy: 'Submit it to another cluster.',
    say: (id: string) => ({
      target: short(id),
      message: `The compute cluster '${nameIn(id)}' is being deleted and takes no more work.`,
    }),
  },
  NoComputeAgent: {
    kind: 'unavailable',
    say: 'This installation runs no compute agent, so nothing can run. Set agent.embedded to true in its configuration and start it again.',
  },
  SandboxUnavailable: {
    kind: 'unavailable',
    meaning: 'The machine of this installation cannot make sandboxes, so no work can run.',
    remedy: 'Do on that machine what the message says, then restart Strongroom.',
    say: (reason: string, remedy: string) =>
      `No work can run on the machine of this installation: ${reason} On that machine: ${remedy.replace(/\.+$/, '')}. Then restart Strongroom.`,
  },
  AgentFailing: {
    kind: 'unavailable',
    meaning: 'The agent that would run it ended soon after its start, several times in a row.',
    remedy: 'Look for its words in the server’s log. It is started again by itself, and work is taken once it stays.',
    say: (times: number, pauseMs: number, holdMs: number) => ({
      message: `No work is taken at the moment: the agent ended ${times} times in a row soon after its start. It is started again after pauses of up to ${Math.ceil(pauseMs / 1000)} seconds, and work is taken again as soon as it has run for ${Math.ceil(holdMs / 1000)} seconds. Look in the server's log for what the agent says.`,
      retryAfterSeconds: Math.ceil(holdMs / 1000),
    }),
  },
  WorkExists: {
    kind: 'conflict',
    say: 'Work with this id was submitted before, and it was something else.',
  },
  TooMuchWorkQueued: {
    kind: 'throttled',
    meaning: 'As much work waits for nodes as may.',
    remedy: 'Wait until some of it has run, or cancel some.',
    say: () => ({
      message: 'Too much work is waiting for nodes. Wait until some of it has run, or cancel some.',
      retryAfterSeconds: 30,
    }),
  },
  AuthorizationFailed: {
    kind: 'forbidden',
    say: 'The decision of this request does not reach the workspace of that work.',
  },
  WorkNotFound: { kind: 'notFound', say: 'There is no work with this id.' },
  ServerStopping: {
    kind: 'unavailable',
    meaning: 'An agent asked for work while the server stops.',
    remedy: 'Ask again when the server has started.',
    say: () => ({ message: 'The server stops and hands out no more work.', retryAfterSeconds: 5 }),
  },
  SessionEnded: {
    kind: 'conflict',
    say: 'This session has ended; everything that was held in it is lost. Stop it all and begin a new session.',
  },
  LeaseLost: {
    kind: 'conflict',
    say: 'This item is not held by this session under this fence. Stop it and forget it.',
  },
  ReachRefused: {
    kind: 'forbidden',
    say: 'Only an agent on the machine of the server is reached by a socket of its own. Offer the reach `tunnel`.',
  },
  NodeUnreachable: {
    kind: 'unavailable',
    say: 'What runs this work is not reached: its agent is gone, or broke the request off.',
  },
  NodeBusy: {
    kind: 'throttled',
    say: 'As many requests as may run at once are with the agent of this work. Try again.',
  },
  CallOver: {
    kind: 'conflict',
    say: 'This request is not with this session, has an answer, or nobody waits for it any more.',
  },
  CallAnswerInvalid: {
    kind: 'invalid',
    meaning: 'An agent brought an answer whose first line, or whose length, is not what it has to be.',
    remedy: 'Agent and server are of one version: update the agent.',
    say: (because: string) => `This answer is not taken: ${because}.`,
  },
  EventsMissing: {
    kind: 'conflict',
    meaning: 'An agent reported an event out of its turn.',
    remedy: 'Send the events in order, from the one on that the message names.',
    say: (expected: number) => `Events are missing: ${expected} comes next. Send them in order, from that one on.`,
  },
  EventNotTaken: {
    kind: 'unavailable',
    meaning: 'An agent reported an event that could not be taken at this moment.',
    remedy: 'Send it again.',
    say: (cause: unknown) => ({
      message: 'The owner of this work could not take the event. Send it again.',
      retryAfterSeconds: 1,
      cause,
    }),
  },
  OutputTooLong: {
    kind: 'invalid',
    meaning: 'An agent reported more output in one event than one takes.',
    remedy: 'Split the event.',
    say: (limit: number) => `An output event holds more than ${limit} bytes. Split it.`,
  },
  agentReplaced: {
    kind: 'unauthenticated',
    code: 'InvalidAuthenticationToken',
    say: 'This token belongs to an agent that has ended or was enrolled anew.',
  },
  agentNotEnrolled: {
    kind: 'unauthenticated',
    code: 'InvalidAuthenticationToken',
    say: 'This agent is not enrolled.',
  },
});
