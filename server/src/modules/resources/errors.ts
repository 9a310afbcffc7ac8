// This module's failures, as a table: Azure's codes where Azure has one, and messages that say what to do.

import { Failure, type FailureDetail, type FailureInit, type FailureKind } from '#kernel/errors/failure';
import { withArticle } from './article.ts';

const fail =
  <A extends readonly unknown[]>(kind: FailureKind, code: string, message: (...args: A) => string) =>
  (...args: A): Failure =>
    new Failure({ kind, code, message: message(...args) });

const short = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const groupAlone = /^\/subscriptions\/[^/]+\/resourceGroups\/([^/]+)$/i;
const groupNotFound = fail(
  'notFound',
  'ResourceGroupNotFound',
  (name: string) => `Resource group '${short(name)}' could not be found. Create it first.`,
);
const resourceNotFound = fail(
  'notFound',
  'ResourceNotFound',
  (id: string) => `The resource '${short(id)}' was not found.`,
);

export const errors = {
  missingApiVersion: fail(
    'invalid',
    'MissingApiVersionParameter',
    () => 'The api-version query parameter (?api-version=) is required for all requests.',
  ),
  invalidApiVersion: fail(
    'invalid',
    'InvalidApiVersionParameter',
    (version: string) =>
      `The api-version '${short(version)}' is invalid. Send a date, with -preview if you mean one: 2022-10-01.`,
  ),
  subscriptionNotFound: fail(
    'notFound',
    'SubscriptionNotFound',
    (id: string) => `The subscription '${short(id)}' could not be found.`,
  ),
  groupNotFound,
  parentNotFound: fail(
    'notFound',
    'ParentResourceNotFound',
    (id: string) => `The parent resource '${short(id)}' could not be found. Create it first.`,
  ),
  /** A group has a code of its own, wherever it is asked for: clients look at it to tell what to create. */
  notFound: (id: string): Failure => {
    const group = groupAlone.exec(id)?.[1];
    return group === undefined ? resourceNotFound(id) : groupNotFound(group);
  },
  unknownType: fail(
    'notFound',
    'InvalidResourceType',
    (type: string) => `The resource type '${short(type)}' is not served here. GET /providers lists those that are.`,
  ),
  unknownNamespace: fail(
    'notFound',
    'InvalidResourceNamespace',
    (namespace: string) =>
      `The resource namespace '${short(namespace)}' is not served here. GET /providers lists those that are.`,
  ),
  actionNotServed: fail(
    'notFound',
    'OperationNotServed',
    (name: string, type: string, served: readonly string[]) =>
      `'${short(name)}' is not served here for ${type}${served.length === 0 ? '' : `, which has: ${served.join(', ')}`}. GET /providers/${type.split('/')[0]}/operations lists what is.`,
  ),
  operationNotServed: fail(
    'notFound',
    'OperationNotServed',
    (path: string) =>
      `'${short(path)}' is not served here. GET /providers lists the types of resources that are; openapi/arm.json in the documentation lists all operations.`,
  ),
  parameterNotServed: fail(
    'invalid',
    'InvalidQueryParameterValue',
    (name: string, served: readonly string[]) =>
      `This request does not take '${short(name)}' here. Leave it out; it takes ${served.length === 0 ? 'no parameters' : served.join(', ')}.`,
  ),
  unregister: fail(
    'conflict',
    'UnregisterNotServed',
    (namespace: string) =>
      `${namespace} is part of this installation and cannot be taken out of a subscription. To keep people from using it, give them no role that permits it.`,
  ),
  operationNotFound: fail(
    'notFound',
    'OperationNotFound',
    (id: string) => `The operation '${short(id)}' was not found. Operations are kept for seven days.`,
  ),
  parentNotReady: fail(
    'conflict',
    'ParentResourceNotReady',
    (id: string, state: string) =>
      `The parent resource '${short(id)}' is in state ${state}. Wait until it is Succeeded, then try again.`,
  ),
  inUse: fail(
    'conflict',
    'ResourceInUse',
    (id: string, holders: readonly string[]) =>
      `The resource '${short(id)}' is not removed: ${holders.slice(0, 5).join(', ')} ${holders.length === 1 ? 'stands' : 'stand'} on it. Delete what stands on it first, then this.`,
  ),
  busy: fail(
    'conflict',
    'AnotherOperationInProgress',
    (id: string, state: string) =>
      `The resource '${short(id)}' is in state ${state}: another operation is in progress. Wait for it, then try again.`,
  ),
  immutable: fail(
    'conflict',
    'Conflict',
    (title: string, id: string) =>
      `The ${title} '${short(id)}' exists, and ${withArticle(title)} cannot be changed. Use a new name.`,
  ),
  changedMeanwhile: fail(
    'conflict',
    'Conflict',
    (id: string) => `The resource '${short(id)}' was removed or replaced meanwhile. Read it, then try again.`,
  ),
  locationChanged: fail(
    'conflict',
    'InvalidResourceLocation',
    (id: string, location: string) =>
      `The resource '${short(id)}' exists in location '${location}', which cannot be changed. Send that location.`,
  ),
  precondition: fail(
    'precondition',
    'PreconditionFailed',
    (header: string) =>
      `The condition in ${header} does not hold for the resource as it is now. Read it, then try again.`,
  ),
  throttled: fail(
    'unavailable',
    'ServerBusy',
    (id: string) => `Too many requests wait for '${short(id)}'. Try again in a moment.`,
  ),
  tooMany: fail(
    'invalid',
    'ResponseTooLarge',
    () => 'Too many resources would have to be looked through for this list. Ask below a narrower scope.',
  ),
  badOrder: fail('invalid', 'InvalidOrderBy', (asked: string, known: readonly string[]) =>
    known.length === 0
      ? 'This list takes no $orderBy.'
      : `'${asked.slice(0, 60)}' is no order of this list. $orderBy takes ${known.map((name) => `'${name} asc'`).join(', ')}, or desc.`,
  ),
  invalidName: (name: string, kind: { readonly title: string; readonly nameRule: string }): Failure =>
    new Failure({
      kind: 'invalid',
      code: 'InvalidResourceName',
      target: 'name',
      message: `'${name.slice(0, 100)}' is not a name for ${withArticle(kind.title)}: ${kind.nameRule}`,
    }),
  badSkip: fail(
    'invalid',
    'InvalidSkipToken',
    () => 'The $skip or $skipToken is not one that this list gave out. Follow nextLink as it is, or start again.',
  ),
};

/** What is wrong with a body, in one answer: every place with its path. */
export function invalidContent(details: readonly FailureDetail[]): Failure {
  const shown = details.slice(0, 20);
  const init: FailureInit = {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    message: `The body is not valid: ${shown.map((detail) => detail.message).join('; ')}.`,
    details: shown,
  };
  return new Failure(shown[0]?.target === undefined ? init : { ...init, target: shown[0].target });
}

/** What an operation that has ended is told with, to everybody who asks. */
export const failedAs = (error: Pick<FailureInit, 'kind' | 'code' | 'message'>, resourceId: string): Failure =>
  new Failure({ ...error, target: resourceId });
