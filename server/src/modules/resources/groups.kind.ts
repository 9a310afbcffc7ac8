// Resource groups: what everything else stands in. A kind like any other, with nothing behind it; removing one removes all
// that it holds, as a long-running operation.

import { Type } from '@strongroom/contract/schema';
import { hasTag, readTagFilter } from './filter.rules.ts';
import type { ResourceKind } from './kind.types.ts';
import { groupType } from './paths.rules.ts';
import { everythingServed } from './unserved.ts';

export const groupKind: ResourceKind = {
  type: groupType,
  title: 'resource group',
  namePattern: /^[\w().-]{0,89}[\w()-]$/,
  nameRule: '1 to 90 letters, digits, underscores, hyphens, parentheses and periods, not ending with a period.',
  properties: Type.Object({}),
  unserved: everythingServed,
  location: 'required',
  longRunning: 'remove',
  listQuery: Type.Object({ $filter: Type.Optional(Type.String({ maxLength: 1024 })) }),
  checkQuery: (query) => void readTagFilter(query['$filter']),
  matches: ({ tags }, query) => hasTag(tags, readTagFilter(query['$filter'])),
};
