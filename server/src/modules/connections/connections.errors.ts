// What connections refuse. No message holds anything of `credentials` but the names of its members.

import { defineFailures } from '#kernel/errors/failures';

const at = (target: string, message: string) => ({ target: `properties.${target}`, message });
const listed = (names: readonly string[]) => names.map((name) => `credentials.${name}`).join(' or ');

export const connectionsFailures = defineFailures('connections', {
  ConnectionCategoryUnknown: {
    kind: 'invalid',
    meaning: 'The category of a connection is none that Azure has.',
    remedy: 'Send one of them, or CustomKeys.',
    say: (category: string) =>
      at(
        'category',
        `'${category}' is no category of a connection. Send one of Azure's, such as Git, PythonFeed, ContainerRegistry, S3, Snowflake or ApiKey; CustomKeys fits what has none.`,
      ),
  },
  AuthTypeNotServed: {
    kind: 'invalid',
    meaning: 'A connection is to sign in by a way for which nothing is kept here.',
    remedy: 'Send one of the types that the message names.',
    say: (authType: string, served: readonly string[]) =>
      at('authType', `Connections with authType '${authType}' are not served here. Send one of ${served.join(', ')}.`),
  },
  CredentialsMissing: {
    kind: 'invalid',
    meaning: 'The credentials that an authType needs were not sent.',
    remedy: 'Send them. A connection that is there keeps its own only while target, category and authType stay.',
    say: (authType: string, needed: readonly string[]) =>
      at(
        'credentials',
        `authType '${authType}' needs ${listed(needed)}. Send the credentials; a connection that is there keeps its own while target, category and authType stay as they are.`,
      ),
  },
  CredentialNotOfType: {
    kind: 'invalid',
    meaning: 'Credentials were sent that the authType does not have.',
    remedy: 'Leave them out, or send the authType that they belong to.',
    say: (authType: string, name: string) =>
      at(
        `credentials.${name}`,
        `authType '${authType}' has no credentials.${name}. Leave it out, or send the authType that it belongs to.`,
      ),
  },
});
