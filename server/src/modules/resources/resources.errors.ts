// What the resource manager refuses: Azure's codes where Azure has one, and messages that say what to do.

import type { Failure, FailureDetail } from '#kernel/errors/failure';
import { defineFailures } from '#kernel/errors/failures';
import { withArticle } from './article.rules.ts';

const short = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
const targeted = (message: string, details: readonly FailureDetail[]) => {
  const target = details[0]?.target;
  return { message, details, ...(target === undefined ? {} : { target }) };
};

export const resourcesFailures = defineFailures('resources', {
  MissingApiVersionParameter: {
    kind: 'invalid',
    say: 'The api-version query parameter (?api-version=) is required for all requests.',
  },
  InvalidApiVersionParameter: {
    kind: 'invalid',
    meaning: 'The api-version is no date.',
    remedy: 'Send a date, with -preview if you mean one: 2022-10-01.',
    say: (version: string) =>
      `The api-version '${short(version)}' is invalid. Send a date, with -preview if you mean one: 2022-10-01.`,
  },
  InvalidResourceId: {
    kind: 'invalid',
    say: 'This is the id of a subscription. Send the id of a resource group or of a resource.',
  },
  SubscriptionNotFound: {
    kind: 'notFound',
    meaning: 'The path names another subscription than that of this installation.',
    remedy: 'List the subscriptions, and use the one that is there.',
    say: (id: string) => `The subscription '${short(id)}' could not be found.`,
  },
  ResourceGroupNotFound: {
    kind: 'notFound',
    meaning: 'The resource group is not there.',
    remedy: 'Create it first.',
    say: (name: string) => `Resource group '${short(name)}' could not be found. Create it first.`,
  },
  ParentResourceNotFound: {
    kind: 'notFound',
    meaning: 'What the resource is to stand in is not there.',
    remedy: 'Create it first.',
    say: (id: string) => `The parent resource '${short(id)}' could not be found. Create it first.`,
  },
  ResourceNotFound: {
    kind: 'notFound',
    meaning: 'The resource is not there.',
    remedy: 'Look at its name, or create it.',
    say: (id: string) => `The resource '${short(id)}' was not found.`,
  },
  InvalidResourceType: {
    kind: 'notFound',
    meaning: 'The type of resource is not served.',
    remedy: 'GET /providers lists those that are.',
    say: (type: string) =>
      `The resource type '${short(type)}' is not served here. GET /providers lists those that are.`,
  },
  InvalidResourceNamespace: {
    kind: 'notFound',
    meaning: 'The resource provider is not served.',
    remedy: 'GET /providers lists those that are.',
    say: (namespace: string) =>
      `The resource namespace '${short(namespace)}' is not served here. GET /providers lists those that are.`,
  },
  actionNotServed: {
    kind: 'notFound',
    code: 'OperationNotServed',
    meaning: 'The type of resource is served, and this action on it is not.',
    remedy: 'GET /providers/{namespace}/operations lists what is.',
    say: (name: string, type: string, served: readonly string[]) =>
      `'${short(name)}' is not served here for ${type}${served.length === 0 ? '' : `, which has: ${served.join(', ')}`}. GET /providers/${type.split('/')[0]}/operations lists what is.`,
  },
  pathNotServed: {
    kind: 'notFound',
    code: 'OperationNotServed',
    meaning: 'No operation has this path.',
    remedy: 'GET /providers lists the types of resources; openapi/arm.json lists all operations.',
    say: (path: string) =>
      `'${short(path)}' is not served here. GET /providers lists the types of resources that are; openapi/arm.json in the documentation lists all operations.`,
  },
  InvalidQueryParameterValue: {
    kind: 'invalid',
    meaning: 'A list, or a change, is asked for with a parameter that the operation does not read.',
    remedy: 'Leave it out; the message names those that it takes.',
    say: (name: string, served: readonly string[]) =>
      `This operation does not take '${short(name)}' here. Leave it out; ${served.length === 0 ? 'it takes no other than api-version' : `it takes ${served.join(', ')}`}.`,
  },
  InvalidFilterInQueryString: {
    kind: 'invalid',
    meaning: 'The $filter of a list is not one that it can apply.',
    remedy: "Compare the names in the message, each once, by eq '…', joined by and.",
    say: (names: string) => ({
      target: '$filter',
      message: `The $filter compares ${names} here, each once by eq '…', joined by and; tagValue goes with a tagName.`,
    }),
  },
  InvalidOrderBy: {
    kind: 'invalid',
    meaning: 'The $orderBy of a list is not one that it has.',
    remedy: 'Leave it out, or take one that the message names.',
    say: (asked: string, known: readonly string[]) =>
      known.length === 0
        ? 'This list takes no $orderBy.'
        : `'${asked.slice(0, 60)}' is no order of this list. $orderBy takes ${known.map((name) => `'${name} asc'`).join(', ')}, or desc.`,
  },
  InvalidSkipToken: {
    kind: 'invalid',
    say: 'The $skip or $skipToken is not one that this list gave out. Follow nextLink as it is, or start again.',
  },
  ResponseTooLarge: {
    kind: 'invalid',
    say: 'Too many resources would have to be looked through for this list. Ask below a narrower scope.',
  },
  UnregisterNotServed: {
    kind: 'conflict',
    meaning: 'A resource provider is to be taken out of the subscription.',
    remedy: 'To keep people from using it, give them no role that permits it.',
    say: (namespace: string) =>
      `${namespace} is part of this installation and cannot be taken out of a subscription. To keep people from using it, give them no role that permits it.`,
  },
  OperationNotFound: {
    kind: 'notFound',
    meaning: 'The long-running operation is not there (any more), or is not for whoever asks.',
    remedy: 'Operations are kept for seven days; look at the resource itself.',
    say: (id: string) => `The operation '${short(id)}' was not found. Operations are kept for seven days.`,
  },
  OperationAbandoned: {
    kind: 'conflict',
    say: 'The request ended before the resource was stored. Send it again.',
  },
  ParentResourceNotReady: {
    kind: 'conflict',
    meaning: 'What the resource is to stand in is being made or removed, or has failed.',
    remedy: 'Wait until it is Succeeded, then try again.',
    say: (id: string, state: string) =>
      `The parent resource '${short(id)}' is in state ${state}. Wait until it is Succeeded, then try again.`,
  },
  ResourceInUse: {
    kind: 'conflict',
    meaning: 'Something that stays stands on the resource: a workspace on its account or vault.',
    remedy: 'Delete what stands on it first, then this.',
    say: (id: string, holders: readonly string[]) =>
      `The resource '${short(id)}' is not removed: ${holders.slice(0, 5).join(', ')} ${holders.length === 1 ? 'stands' : 'stand'} on it. Delete what stands on it first, then this.`,
  },
  AnotherOperationInProgress: {
    kind: 'conflict',
    meaning: 'Another operation is at work on the resource.',
    remedy: 'Wait for it, then try again.',
    say: (id: string, state: string) =>
      `The resource '${short(id)}' is in state ${state}: another operation is in progress. Wait for it, then try again.`,
  },
  immutable: {
    kind: 'conflict',
    code: 'Conflict',
    meaning: 'A resource of this type exists and cannot be changed.',
    remedy: 'Use a new name.',
    say: (title: string, id: string) =>
      `The ${title} '${short(id)}' exists, and ${withArticle(title)} cannot be changed. Use a new name.`,
  },
  changedMeanwhile: {
    kind: 'conflict',
    code: 'Conflict',
    meaning: 'The resource was removed or replaced while it was worked on.',
    remedy: 'Read it, then try again.',
    say: (id: string) => `The resource '${short(id)}' was removed or replaced meanwhile. Read it, then try again.`,
  },
  InvalidResourceLocation: {
    kind: 'conflict',
    meaning: 'The resource exists in another location.',
    remedy: 'Send the location that the message names.',
    say: (id: string, location: string) =>
      `The resource '${short(id)}' exists in location '${location}', which cannot be changed. Send that location.`,
  },
  PreconditionFailed: {
    kind: 'precondition',
    meaning: 'If-Match or If-None-Match does not hold for the resource as it is now.',
    remedy: 'Read it, then try again.',
    say: (header: string) =>
      `The condition in ${header} does not hold for the resource as it is now. Read it, then try again.`,
  },
  ServerBusy: {
    kind: 'unavailable',
    meaning: 'Too many requests wait for one resource.',
    remedy: 'Try again in a moment.',
    say: (id: string) => `Too many requests wait for '${short(id)}'. Try again in a moment.`,
  },
  InvalidResourceName: {
    kind: 'invalid',
    meaning: 'The name is not one for a resource of this type.',
    remedy: 'The message says what such a name may hold.',
    say: (name: string, kind: { readonly title: string; readonly nameRule: string }) => ({
      target: 'name',
      message: `'${name.slice(0, 100)}' is not a name for ${withArticle(kind.title)}: ${kind.nameRule}`,
    }),
  },
  InvalidRequestContent: {
    kind: 'invalid',
    meaning: 'The body is not what this operation takes: every place that is wrong is named, with its path.',
    remedy: 'Correct the places that the details name.',
    say: (details: readonly FailureDetail[]) => {
      const shown = details.slice(0, 20);
      return targeted(`The body is not valid: ${shown.map((detail) => detail.message).join('; ')}.`, shown);
    },
  },
  insideUnknown: {
    kind: 'invalid',
    code: 'InvalidRequestContent',
    meaning: 'A property that is kept without effect holds one that it does not have.',
    remedy: 'Leave it out.',
    say: (path: string) => ({
      target: `properties.${path}`,
      message: `The body is not valid: properties.${path.slice(0, 200)} is not a property of this resource.`,
    }),
  },
  PropertyNotServed: {
    kind: 'invalid',
    meaning: "A property is Azure's and is not served as asked: what it would do does not happen here.",
    remedy: 'The message says why, and what to do instead.',
    say: targeted,
  },
  TemplateNotServed: {
    kind: 'invalid',
    meaning: 'A template is deployed that is not known here: templates are not evaluated.',
    remedy: 'Make each resource by a PUT of its own.',
    say: (known: readonly string[]) => ({
      target: 'properties.template',
      message: `Templates are not evaluated here, except ${known.join(', ')}. Make each resource by a PUT of its own.`,
    }),
  },
  CredentialVisible: {
    kind: 'invalid',
    meaning: 'A text that everybody who may read the resource would see looks like a credential.',
    remedy: 'Do what the message says instead.',
    say: (path: string, found: string, title: string, instead: string) => ({
      target: path,
      message: `${path} looks like ${found}. Everybody who may read the ${title} would see it, and nothing hides a value of it. Leave it out: ${instead} If it is no credential, write it otherwise.`,
    }),
  },
});

const groupAlone = /^\/subscriptions\/[^/]+\/resourceGroups\/([^/]+)$/i;

/** A group has a code of its own, wherever it is asked for: clients look at it to tell what to create. */
export function notFound(id: string): Failure {
  const group = groupAlone.exec(id)?.[1];
  return group === undefined ? resourcesFailures.ResourceNotFound(id) : resourcesFailures.ResourceGroupNotFound(group);
}
