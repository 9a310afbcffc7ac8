// This module's failures, as a table: of the two kinds, of building an image, and of the gateway with Azure's own headers.

import { Failure } from '#kernel/errors/failure';

const short = (text: string) => text.slice(0, 200);
const reason = 'ms-azureml-model-error-reason';

export const errors = {
  wrong: (target: string, message: string, code = 'ValidationError') =>
    new Failure({ kind: 'invalid', code, target: `properties.${target}`, message }),
  authModeNotServed: (mode: string) =>
    new Failure({
      kind: 'invalid',
      code: 'AuthModeNotServed',
      target: 'properties.authMode',
      message: `authMode '${short(mode)}' is not served here. Use 'Key'.`,
    }),
  computeTypeNotServed: (type: string) =>
    new Failure({
      kind: 'invalid',
      code: 'ComputeTypeNotServed',
      target: 'properties.endpointComputeType',
      message: `Deployments of type '${short(type)}' are not served here. Use 'Managed'.`,
    }),
  noToken: () =>
    new Failure({
      kind: 'invalid',
      code: 'AuthModeNotServed',
      message: "This endpoint authenticates with keys: authMode is 'Key'. Use listKeys instead of token.",
    }),
  unchangeable: (target: string, message: string) =>
    new Failure({ kind: 'invalid', code: 'PropertyChangeNotAllowed', target: `properties.${target}`, message }),
  noEndpoint: (name: string) =>
    new Failure({
      kind: 'notFound',
      code: 'ResourceNotFound',
      message: `There is no online endpoint '${short(name)}' in this workspace, or it is still being created.`,
    }),
  noKeys: () =>
    new Failure({
      kind: 'conflict',
      code: 'EndpointNotReady',
      message: 'The endpoint has no keys: it is still being created, or its creation failed. Create it again.',
    }),
  noTarget: (name: string) =>
    new Failure({
      kind: 'invalid',
      code: 'DeploymentNotFound',
      target: `properties.traffic.${name.slice(0, 64)}`,
      message: `This endpoint has no deployment '${name.slice(0, 64)}' that serves. Create it, wait until it has succeeded, then send it traffic.`,
    }),
  hasTraffic: (name: string, share: number) =>
    new Failure({
      kind: 'conflict',
      code: 'DeploymentHasTraffic',
      message: `The deployment '${short(name)}' gets ${share} per cent of the traffic. Set its traffic to 0, then delete it.`,
    }),
  startFailed: (message: string) => new Failure({ kind: 'dependency', code: 'DeploymentFailed', message }),
  notReadyInTime: (seconds: number) =>
    new Failure({
      kind: 'dependency',
      code: 'DeploymentNotReady',
      message: `The deployment was not ready within ${seconds} seconds. Its log (getLogs) says how far it came.`,
    }),
  imageRefused: (target: string, message: string) =>
    new Failure({ kind: 'invalid', code: 'ImageBuildRefused', target: `properties.${target}`, message }),

  keyRefused: () =>
    new Failure({
      kind: 'unauthenticated',
      code: 'key_auth_access_denied',
      message: "Send one of this endpoint's keys in the header 'Authorization: Bearer {key}'.",
    }),
  noDeployment: () =>
    new Failure({
      kind: 'notFound',
      code: 'no_deployment',
      message: 'No deployment of this endpoint gets traffic. Set properties.traffic of the endpoint.',
    }),
  unknownDeployment: (name: string) =>
    new Failure({
      kind: 'notFound',
      code: 'deployment_not_found',
      message: `This endpoint has no deployment '${short(name)}'. Correct or leave out the header azureml-model-deployment.`,
    }),
  tooManyPending: (message: string) =>
    new Failure({
      kind: 'throttled',
      code: 'too_many_pending_requests',
      message,
      retryAfterSeconds: 1,
      headers: { [reason]: 'too_many_pending_requests' },
    }),
  timeout: (seconds: number) =>
    new Failure({
      kind: 'timeout',
      code: 'request_timeout',
      message: `The deployment did not answer within ${seconds} seconds (requestSettings.requestTimeout).`,
      headers: { [reason]: 'upstream_request_timeout' },
    }),
  notReady: () =>
    new Failure({
      kind: 'dependency',
      code: 'model_not_ready',
      message: 'No instance of the deployment is ready. Its log (getLogs) says why.',
      retryAfterSeconds: 5,
      headers: { [reason]: 'model_not_ready' },
    }),
  unreachable: (cause: unknown) =>
    new Failure({
      kind: 'dependency',
      code: 'model_unreachable',
      message: 'The scoring process ended or closed the connection before it answered. Its log (getLogs) says more.',
      headers: { [reason]: 'model_unreachable' },
      cause,
    }),
  answerTooLarge: (bytes: number) =>
    new Failure({
      kind: 'dependency',
      code: 'model_answer_too_large',
      message: `The model answered with more than ${bytes / 1024 ** 2} MiB, which is not passed on. Answer with less, or write it to a file and answer where it is.`,
      headers: { [reason]: 'model_answer_too_large' },
    }),
  platform: (cause: unknown) =>
    new Failure({
      kind: 'internal',
      code: 'platform_error',
      message: 'The request did not reach the deployment. Send it again.',
      cause,
    }),
} as const;
