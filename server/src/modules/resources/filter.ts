// The `$filter` of the list of all resources: equality on resourceType and name, joined by `and`, which is what public
// clients send. Anything else is refused rather than ignored: a filter that is not applied shows too much.

import { Failure } from '#kernel/errors/failure';

export type Filter = { readonly type: string | undefined; readonly name: string | undefined };

export function readFilter(filter: string | undefined): Filter {
  const wanted = { type: undefined as string | undefined, name: undefined as string | undefined };
  if (filter === undefined || filter.trim() === '') return wanted;
  for (const term of filter.slice(0, 1024).split(/ and /i).slice(0, 10)) {
    const [, field, value] = /^\s*(resourceType|name)\s+eq\s+'([^']{1,300})'\s*$/i.exec(term) ?? [];
    if (field === undefined || value === undefined)
      throw new Failure({
        kind: 'invalid',
        code: 'InvalidFilterInQueryString',
        message: "The $filter takes resourceType eq '…' and name eq '…', joined by and.",
      });
    if (field.toLowerCase() === 'name') wanted.name = value.toLowerCase();
    else wanted.type = value;
  }
  return wanted;
}
