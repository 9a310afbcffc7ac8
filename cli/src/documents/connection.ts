// A connection in Azure ML's v2 YAML schema, turned into a request body. The service knows which credentials go with what.

import type { JsonObject } from '@strongroom/contract/client';
import { type Document, type Reader, readerOf } from '../document.reader.ts';
import { capitalized, defined } from './references.ts';

/** Types that YAML calls otherwise than the service; all others are the service's words in small letters, with underscores. */
const categories: Readonly<Record<string, string>> = { custom: 'CustomKeys', azure_data_lake_gen2: 'ADLSGen2' };
const authTypes: Readonly<Record<string, string>> = { none: 'None', aad: 'AAD', pat: 'PAT', sas: 'SAS' };
/** Names of what stands at the other end; one of them is given. */
const targets = ['target', 'api_base', 'url', 'endpoint', 'azure_endpoint'] as const;
const subtypes = [
  ...['azure_content_safety', 'azure_speech_services', 'azure_search', 'azure_ai_search', 'azure_ai_services'],
  ...['azure_blob', 'azure_one_lake', 'azure_open_ai', 'open_ai', 'serp', 'serverless'],
];

const plain = (text: string) => text.split('_').map(capitalized).join('');

export function connectionBody(document: Document): { readonly name: string | undefined; readonly body: JsonObject } {
  const read = readerOf(document);
  const [name, type] = [read.text('name'), read.needed('type')];
  if (subtypes.includes(type))
    throw read.wrong('type', `is '${type}': it has fields of its own that are not read here. azure-ai-ml makes it`);
  const [target] = targets.flatMap((field) => read.text(field) ?? []);
  if (read.flag('is_shared') === false)
    throw read.wrong('is_shared', 'is not served: who may read a connection is decided by roles. Leave it out');
  const key = read.text('api_key');
  const { authType, credentials } =
    key === undefined ? credentialsIn(read.within('credentials')) : { authType: 'ApiKey', credentials: { key } };
  const metadata = { ...read.texts('tags'), ...read.texts('metadata') };
  read.finish();
  const category = categories[type] ?? plain(type);
  return { name, body: { properties: defined({ category, authType, target, credentials, metadata }) } };
}

function credentialsIn(read: Reader | undefined): { readonly authType: string; readonly credentials?: JsonObject } {
  if (read === undefined) return { authType: 'None' };
  const type = read.needed('type');
  const named = [
    ...['pat', 'username', 'password', 'sas_token', 'key', 'account_key', 'access_key_id', 'secret_access_key'],
    ...['client_id', 'client_secret', 'tenant_id', 'resource_id', 'security_token'],
  ].flatMap((field) => {
    const value = read.text(field);
    return value === undefined ? [] : [[wireNameOf(field), value] as const];
  });
  return {
    authType: authTypes[type] ?? plain(type),
    ...(named.length === 0 ? {} : { credentials: Object.fromEntries(named) }),
  };
}

const wireNameOf = (field: string): string =>
  ({ sas_token: 'sas', account_key: 'key' })[field] ??
  field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
