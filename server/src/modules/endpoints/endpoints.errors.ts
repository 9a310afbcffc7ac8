// What endpoints refuse: the two kinds in the words of Resource Manager, the gateway in those of Azure's own, with its headers.

import { defineFailures } from '#kernel/errors/failures';

const short = (text: string) => text.slice(0, 200);
const reason = 'ms-azureml-model-error-reason';

const pending = (message: string) => ({
  message,
  retryAfterSeconds: 1,
  headers: { [reason]: 'too_many_pending_requests' },
});

export const endpointsFailures = defineFailures('endpoints', {
  namedTwice: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'The traffic names a deployment twice, in another casing.',
    remedy: 'Name it once.',
    say: () => ({
      target: 'properties.traffic',
      message: 'The traffic names a deployment twice, in another casing. Name it once.',
    }),
  },
  sharesOff: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'The shares of traffic add up to something else than nothing or all.',
    remedy: 'Make them add up to 0 or 100.',
    say: (sum: number) => ({
      target: 'properties.traffic',
      message: `The shares of traffic add up to ${sum}; they must add up to 0 or 100.`,
    }),
  },
  codeMissing: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A deployment names a scoring script and no code that it is in.',
    remedy:
      'Send codeConfiguration with codeId and scoringScript; or leave it out for a model that MLflow has written.',
    say: () => ({
      target: 'properties.codeConfiguration.codeId',
      message:
        'codeConfiguration names a script and no codeId, the folder that it is in. Send both; or leave codeConfiguration out for a model of type mlflow_model.',
    }),
  },
  scriptMissing: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A deployment names no scoring script, and its model is not one that is served without.',
    remedy:
      'Send codeConfiguration with codeId and scoringScript; or register the model as mlflow_model, if MLflow has written it.',
    say: (modelType: string) => ({
      target: 'properties.codeConfiguration',
      message: `A deployment needs codeConfiguration with codeId and scoringScript: the script that loads the model and scores. Only a model of type mlflow_model is served without one, and this is a ${short(modelType)}.`,
    }),
  },
  scaleType: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A deployment is to be scaled by something else than its capacity.',
    remedy: "Set scaleType to 'Default', and scale by sku.capacity.",
    say: () => ({
      target: 'properties.scaleSettings.scaleType',
      message: "Deployments are scaled by sku.capacity: scaleSettings.scaleType must be 'Default'.",
    }),
  },
  duration: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A time of the request settings is no duration, or too long.',
    remedy: 'Write it as the message shows.',
    say: (name: string, secondsMax: number, example: string) => ({
      target: `properties.requestSettings.${name}`,
      message: `requestSettings.${name} is an ISO 8601 duration of at most ${secondsMax} seconds, for example ${example}.`,
    }),
  },
  tooManyVariables: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A deployment has more environment variables than a process is given.',
    remedy: 'Send fewer.',
    say: (variablesMax: number) => ({
      target: 'properties.environmentVariables',
      message: `At most ${variablesMax} environment variables.`,
    }),
  },
  variableName: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'An environment variable has a name that is none.',
    remedy: 'Name it with letters, digits and underscores, and a digit not first.',
    say: (name: string) => ({
      target: `properties.environmentVariables.${name.slice(0, 100)}`,
      message: `'${name.slice(0, 100)}' is no name of an environment variable.`,
    }),
  },
  variableOfService: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'An environment variable has a name that the service sets.',
    remedy: 'Choose another name.',
    say: (name: string) => ({
      target: `properties.environmentVariables.${name.slice(0, 100)}`,
      message: `${name} is set by the service; choose another name.`,
    }),
  },
  variableOfSecret: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning:
      'An environment variable of a deployment refers to a secret, and the script would get the reference as a text.',
    remedy: 'Leave it out, or let a job that reads the secret prepare what the script needs.',
    say: (name: string) => ({
      target: `properties.environmentVariables.${name.slice(0, 100)}`,
      message: `The value of ${name.slice(0, 100)} refers to a secret, and what scores gets none: it would get the reference as a text. Leave it out; a job can be given secrets, and can prepare what the script needs.`,
    }),
  },
  variableWithNul: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'The value of an environment variable holds a NUL character.',
    remedy: 'Leave it out.',
    say: (name: string) => ({
      target: `properties.environmentVariables.${name.slice(0, 100)}`,
      message: `The value of ${name} holds a NUL character.`,
    }),
  },
  weakKey: {
    kind: 'invalid',
    code: 'InvalidKey',
    meaning: 'A key that was brought for an endpoint is too short, too long, or holds other characters.',
    remedy: 'Leave it out and a good one is drawn.',
    say: (target: string) => ({
      target: `properties.${target}`,
      message:
        'A key of your own has 32 to 128 letters, digits and the characters + / = _ -. Leave it out and a good one is drawn.',
    }),
  },
  sameKeys: {
    kind: 'invalid',
    code: 'InvalidKey',
    meaning: 'The two keys of an endpoint are the same.',
    remedy: 'Send two different ones.',
    say: (target: string) => ({
      target: `properties.${target}`,
      message: 'The two keys are the same. Send two different ones.',
    }),
  },
  QuotaExceeded: {
    kind: 'invalid',
    meaning: 'An endpoint has as many deployments as it may.',
    remedy: 'Delete one first.',
    say: (most: number) => ({
      target: 'properties.model',
      message: `An endpoint has at most ${most} deployments. Delete one first.`,
    }),
  },
  InvalidResourceId: {
    kind: 'invalid',
    meaning: "A deployment names a model, code or environment that is no version of its own workspace's.",
    remedy: 'Name it by its resource id in this workspace; a model also by azureml:{name}:{version}.',
    say: (target: string, type: string, shape: string) => ({
      target: `properties.${target}`,
      message: `properties.${target} must name a version of this workspace's ${type}: ${shape}.`,
    }),
  },
  authModeNotServed: {
    kind: 'invalid',
    code: 'AuthModeNotServed',
    meaning: 'An endpoint was to let callers in otherwise than by keys.',
    remedy: "Set authMode to 'Key'.",
    say: (mode: string) => ({
      target: 'properties.authMode',
      message: `authMode '${short(mode)}' is not served here. Use 'Key'.`,
    }),
  },
  noToken: {
    kind: 'invalid',
    code: 'AuthModeNotServed',
    say: "This endpoint authenticates with keys: authMode is 'Key'. Use listKeys instead of token.",
  },
  ComputeTypeNotServed: {
    kind: 'invalid',
    meaning: 'A deployment was to run elsewhere than on this installation.',
    remedy: "Set endpointComputeType to 'Managed'.",
    say: (type: string) => ({
      target: 'properties.endpointComputeType',
      message: `Deployments of type '${short(type)}' are not served here. Use 'Managed'.`,
    }),
  },
  PropertyChangeNotAllowed: {
    kind: 'invalid',
    meaning: 'Keys were sent for an endpoint that has its keys.',
    remedy: 'Use regenerateKeys.',
    say: (target: string, message: string) => ({ target: `properties.${target}`, message }),
  },
  ResourceNotFound: {
    kind: 'notFound',
    meaning: 'The workspace has no such online endpoint, or it is still being created.',
    remedy: 'Create it, or wait until its creation has ended.',
    say: (name: string) =>
      `There is no online endpoint '${short(name)}' in this workspace, or it is still being created.`,
  },
  EndpointNotReady: {
    kind: 'conflict',
    say: 'The endpoint has no keys: it is still being created, or its creation failed. Create it again.',
  },
  DeploymentNotFound: {
    kind: 'invalid',
    meaning: 'Traffic was to go to a deployment that there is not, or that does not serve.',
    remedy: 'Create the deployment, wait until it has succeeded, then send it traffic.',
    say: (name: string) => ({
      target: `properties.traffic.${name.slice(0, 64)}`,
      message: `This endpoint has no deployment '${name.slice(0, 64)}' that serves. Create it, wait until it has succeeded, then send it traffic.`,
    }),
  },
  DeploymentHasTraffic: {
    kind: 'conflict',
    meaning: 'A deployment that gets traffic was to be deleted.',
    remedy: 'Set its traffic to 0, then delete it.',
    say: (name: string, share: number) =>
      `The deployment '${short(name)}' gets ${share} per cent of the traffic. Set its traffic to 0, then delete it.`,
  },
  machineLost: {
    kind: 'dependency',
    code: 'DeploymentFailed',
    say: 'The machine that ran the deployment was lost. Try again.',
  },
  /** `said`: how the process ended, and its own last words. */
  DeploymentFailed: {
    kind: 'dependency',
    meaning: 'A scoring process ended before it was ready; the message is what it said.',
    remedy: 'Mend what the message or the log of the deployment (getLogs) says, and create it again.',
    say: (said: string) => said,
  },
  DeploymentNotReady: {
    kind: 'dependency',
    meaning: 'A deployment did not become ready in the time that it may take.',
    remedy: 'Its log (getLogs) says how far it came.',
    say: (seconds: number) =>
      `The deployment was not ready within ${seconds} seconds. Its log (getLogs) says how far it came.`,
  },
  DeploymentChanged: { kind: 'conflict', say: 'This scoring process is not wanted any more.' },
  ImageBuildRefused: {
    kind: 'invalid',
    meaning: 'What an image was to be made of cannot be put into one.',
    remedy: 'Correct what the message names; the target is the property that it came from.',
    say: (target: string, message: string) => ({ target: `properties.${target}`, message }),
  },

  key_auth_access_denied: {
    kind: 'unauthenticated',
    say: "Send one of this endpoint's keys in the header 'Authorization: Bearer {key}'.",
  },
  no_deployment: {
    kind: 'notFound',
    say: 'No deployment of this endpoint gets traffic. Set properties.traffic of the endpoint.',
  },
  deployment_not_found: {
    kind: 'notFound',
    meaning: 'A scoring request names a deployment that the endpoint does not have.',
    remedy: 'Correct or leave out the header azureml-model-deployment.',
    say: (name: string) =>
      `This endpoint has no deployment '${short(name)}'. Correct or leave out the header azureml-model-deployment.`,
  },
  machineBusy: {
    kind: 'throttled',
    code: 'too_many_pending_requests',
    meaning: 'As many requests run as the machine takes.',
    remedy: 'Try again after the seconds of Retry-After.',
    say: () => pending('Too many requests are running on this machine. Try again.'),
  },
  queueFull: {
    kind: 'throttled',
    code: 'too_many_pending_requests',
    meaning: 'As many requests wait for the deployment as it lets wait.',
    remedy: 'Try again after the seconds of Retry-After, or give the deployment more instances.',
    say: () => pending('Too many requests are waiting for this deployment. Try again later, or scale it up.'),
  },
  waitedTooLong: {
    kind: 'throttled',
    code: 'too_many_pending_requests',
    meaning: 'A request waited for longer than requestSettings.maxQueueWait.',
    remedy: 'Try again later, or give the deployment more instances.',
    say: () => pending('The request waited longer than requestSettings.maxQueueWait. Try again later.'),
  },
  callerWentAway: {
    kind: 'throttled',
    code: 'too_many_pending_requests',
    meaning: 'The caller went away while its request waited.',
    remedy: 'Nobody reads this answer; it is for the record.',
    say: () => pending('The caller went away.'),
  },
  request_timeout: {
    kind: 'timeout',
    meaning: 'The deployment did not answer in the time that a request may take.',
    remedy: 'Ask for less at once, or raise requestSettings.requestTimeout.',
    say: (seconds: number) => ({
      message: `The deployment did not answer within ${seconds} seconds (requestSettings.requestTimeout).`,
      headers: { [reason]: 'upstream_request_timeout' },
    }),
  },
  model_not_ready: {
    kind: 'dependency',
    meaning: 'No instance of the deployment is ready.',
    remedy: 'Its log (getLogs) says why; try again when it is.',
    say: () => ({
      message: 'No instance of the deployment is ready. Its log (getLogs) says why.',
      retryAfterSeconds: 5,
      headers: { [reason]: 'model_not_ready' },
    }),
  },
  model_unreachable: {
    kind: 'dependency',
    meaning: 'The scoring process ended or closed the connection before it answered.',
    remedy: 'Its log (getLogs) says more.',
    say: (cause: unknown) => ({
      message: 'The scoring process ended or closed the connection before it answered. Its log (getLogs) says more.',
      headers: { [reason]: 'model_unreachable' },
      cause,
    }),
  },
  model_answer_too_large: {
    kind: 'dependency',
    meaning: 'The model answered with more than is passed on.',
    remedy: 'Answer with less, or write it to a file and answer where it is.',
    say: (bytes: number) => ({
      message: `The model answered with more than ${bytes / 1024 ** 2} MiB, which is not passed on. Answer with less, or write it to a file and answer where it is.`,
      headers: { [reason]: 'model_answer_too_large' },
    }),
  },
  platform_error: {
    kind: 'internal',
    meaning: 'A scoring request did not reach the machine that runs the deployment.',
    remedy: 'Send it again.',
    say: (cause: unknown) => ({ message: 'The request did not reach the deployment. Send it again.', cause }),
  },
});
