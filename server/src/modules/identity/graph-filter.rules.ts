// The filters that Azure's command line sends, and no others: one property compared for equality, or how the display name
// begins. A filter that is not understood is refused, because answering everything would be worse.

import { graphFailures } from './graph.errors.ts';

export type GraphFilter = {
  readonly property: 'id' | 'userPrincipalName' | 'appId' | 'displayName';
  readonly value: string;
  /** Of a display name only: the value is how it begins, in whatever case. */
  readonly isPrefix?: true;
};

const lengthMax = 1024;
const equality = /^\s*(id|userPrincipalName|appId|displayName)\s+eq\s+'((?:[^']|'')*)'\s*$/i;
const anyName = /^\s*servicePrincipalNames\/any\(\s*(\w+)\s*:\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*\)\s*$/i;
const beginning = /^\s*startswith\(\s*displayName\s*,\s*'((?:[^']|'')*)'\s*\)\s*$/i;
const properties = ['id', 'userPrincipalName', 'appId', 'displayName'] as const;

/** @throws Failure `invalid` (Request_UnsupportedQuery) */
export function readGraphFilter(text: string | undefined): GraphFilter | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const simple = text.length <= lengthMax ? equality.exec(text) : null;
  const property = properties.find((one) => one.toLowerCase() === simple?.[1]?.toLowerCase());
  if (simple !== null && property !== undefined) return { property, value: unquoted(simple[2]) };
  const named = text.length <= lengthMax ? anyName.exec(text) : null;
  // A service principal's names are its client id.
  if (named !== null && named[1] === named[2]) return { property: 'appId', value: unquoted(named[3]) };
  const begun = text.length <= lengthMax ? beginning.exec(text) : null;
  if (begun !== null) return { property: 'displayName', value: unquoted(begun[1]), isPrefix: true };
  throw graphFailures.Request_UnsupportedQuery();
}

const unquoted = (text = '') => text.replaceAll("''", "'");
