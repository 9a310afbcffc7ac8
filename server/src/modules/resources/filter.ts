// The `$filter` of the list of all resources: equality on resourceType, resourceGroup and name, joined by `and`, which is
// what public clients send. Anything else is refused rather than ignored: a filter that is not applied shows too much.

import { Failure } from '#kernel/errors/failure';

export type Filter = {
  readonly type: string | undefined;
  readonly group: string | undefined;
  /** Lower case. */
  readonly name: string | undefined;
};

export function readFilter(filter: string | undefined): Filter {
  const wanted: { -readonly [K in keyof Filter]: Filter[K] } = { type: undefined, group: undefined, name: undefined };
  if (filter === undefined || filter.trim() === '') return wanted;
  for (const term of filter.slice(0, 1024).split(/ and /i).slice(0, 10)) {
    const [, field, value] = /^\s*(resourceType|resourceGroup|name)\s+eq\s+'([^']{1,300})'\s*$/i.exec(term) ?? [];
    if (field === undefined || value === undefined)
      throw new Failure({
        kind: 'invalid',
        code: 'InvalidFilterInQueryString',
        message: "The $filter takes resourceType eq '…', resourceGroup eq '…' and name eq '…', joined by and.",
      });
    if (field.toLowerCase() === 'name') wanted.name = value.toLowerCase();
    else if (field.toLowerCase() === 'resourcegroup') wanted.group = value;
    else wanted.type = value;
  }
  return wanted;
}
