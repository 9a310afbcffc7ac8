// What Microsoft Graph is answered with, in its words.

import { defineFailures } from '#kernel/errors/failures';

export const graphFailures = defineFailures('identity', {
  Request_ResourceNotFound: {
    kind: 'notFound',
    meaning: 'The directory holds no such object.',
    remedy: 'List what it holds.',
    say: (id: string) => `The directory holds no such object: '${id.slice(0, 64)}'.`,
  },
  noSuch: {
    kind: 'notFound',
    code: 'Request_ResourceNotFound',
    meaning: 'The directory holds no such user, application or principal.',
    remedy: 'List what it holds.',
    say: (what: string) => `The directory holds no such ${what}.`,
  },
  identityOfResource: {
    kind: 'invalid',
    code: 'Request_BadRequest',
    say: 'This is the identity of a resource. Change the resource instead.',
  },
  notOneself: {
    kind: 'invalid',
    code: 'Request_BadRequest',
    say: 'Nobody can disable or remove his own account. Ask another administrator to do it.',
  },
  wrongPassword: { kind: 'invalid', code: 'Request_BadRequest', say: 'The current password is not right.' },
  laterSecret: {
    kind: 'invalid',
    code: 'Request_BadRequest',
    say: 'A secret is valid from the moment when it is made: a later startDateTime is not served.',
  },
  notServed: {
    kind: 'invalid',
    code: 'Request_BadRequest',
    meaning: 'A property is sent that is not served.',
    remedy: 'Leave it out.',
    say: (name: string, reason: string | undefined) => ({
      target: name.slice(0, 100),
      message: `The property '${name.slice(0, 100)}' is not served, and nothing was done. ${reason}`,
    }),
  },
  invalidTop: {
    kind: 'invalid',
    code: 'Request_UnsupportedQuery',
    meaning: '$top is no number that a page may have.',
    remedy: 'Give a smaller one.',
    say: (max: number) => `$top is a number from 1 to ${max}.`,
  },
  Request_UnsupportedQuery: {
    kind: 'invalid',
    meaning: 'A $filter is not one of those that are served.',
    remedy: "Compare id, userPrincipalName, appId or displayName, or ask for startswith(displayName,'{value}').",
    say: () => ({
      target: '$filter',
      message:
        "This filter is not served. Compare id, userPrincipalName, appId or displayName (appId eq '{value}'), or ask for startswith(displayName,'{value}').",
    }),
  },
});
