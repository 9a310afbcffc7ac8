// Lists of resources: bounded pages in id order, filtered by what the caller may see. The token of the next page is the
// last id that was shown, never one that was skipped: a token must not tell the name of what is hidden.

import { resourceLimits } from '@strongroom/contract/resources';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import { depthOf, isGroupOrAbove } from './catalog.ts';
import { errors } from './errors.ts';
import type { Homes } from './homes.ts';
import type { Resource } from './kind.ts';
import { pageOfType, type Stored } from './resources.store.ts';

const batchRows = 500;
const batchRowsMin = 50;
/** A list looks through at most this many rows for one page. */
const batchesMax = 200;
const ownersMax = 10_000;

export type Page = { readonly resources: readonly Resource[]; readonly next: string | undefined };

export type PageQuery = {
  readonly type: string | undefined;
  readonly under: string;
  readonly shows: (resource: Resource) => boolean;
  readonly limit: number;
  /** Key of the last resource of the page before. */
  readonly after: string;
  /** This many of what would be shown are left out first. */
  readonly skip: number;
};

export function createListing(homes: Homes, present: (stored: Stored) => Resource) {
  /** One page out of one database. */
  async function pageOf(database: Database, query: PageQuery): Promise<Page> {
    const shown: Resource[] = [];
    let { after, skip } = query;
    // One more than is asked for says whether there is a next page.
    const limit = Math.min(batchRows, Math.max(batchRowsMin, query.limit + skip + 1));
    for (let batch = 0; batch < batchesMax; batch++) {
      const rows = await pageOfType(database, { type: query.type, under: query.under, after, limit });
      for (const row of rows) {
        const resource = present(row);
        after = idKey(resource.id);
        if (!query.shows(resource)) continue;
        if (skip > 0) skip -= 1;
        else if (shown.length < query.limit) shown.push(resource);
        else return { resources: shown, next: idKey(shown.at(-1)?.id ?? '') };
      }
      if (rows.length < limit) return { resources: shown, next: undefined };
    }
    throw errors.tooMany();
  }

  /** A page of what stands directly in groups, or of the children of one resource. */
  const page = async (query: PageQuery): Promise<Page> => pageOf(await homes.below({ id: query.under }), query);

  /**
   * Up to `limit` resources of a type below any id. Children of several resources with homes of their own are gathered
   * home by home.
   */
  async function gather(
    type: string,
    under: string,
    limit: number,
    shows: (resource: Resource) => boolean,
  ): Promise<readonly Resource[]> {
    const query: PageQuery = { type, under, shows, limit, after: '', skip: 0 };
    if (depthOf(type) === 1) return (await pageOf(homes.control, query)).resources;
    if (!isGroupOrAbove(under)) return (await page(query)).resources;
    const all = [...(await pageOf(homes.control, query)).resources];
    const ownerType = type.split('/').slice(0, 2).join('/');
    const owners = await pageOf(homes.control, { ...query, type: ownerType, shows: () => true, limit: ownersMax });
    for (const owner of owners.resources) {
      if (all.length >= limit) break;
      const home = await homes.below(owner);
      if (home !== homes.control)
        all.push(...(await pageOf(home, { ...query, under: owner.id, limit: limit - all.length })).resources);
    }
    return all;
  }

  return { page, gather, control: (query: PageQuery) => pageOf(homes.control, query) };
}
export type Listing = ReturnType<typeof createListing>;

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);

/** `$top`, `$skip` and `$skipToken` of a request. `$skip` is a count, or, as Azure ML has it, a token as well. */
export function readPaging(query: Readonly<Record<string, unknown>>): Pick<PageQuery, 'limit' | 'after' | 'skip'> {
  const top = Number(textOf(query['$top']) ?? resourceLimits.pageSize);
  const limit = Math.min(Math.max(1, Number.isFinite(top) ? top : 1), resourceLimits.pageSizeMax);
  const skip = textOf(query['$skip']);
  const token = textOf(query['$skipToken']) ?? textOf(query['$skiptoken']);
  if (token === undefined && skip !== undefined && /^\d{1,6}$/.test(skip))
    return { limit, after: '', skip: Number(skip) };
  const given = token ?? skip;
  return { limit, after: given === undefined ? '' : keyOfToken(given), skip: 0 };
}

/** Letters in front keep a token from looking like a count. */
export const tokenOf = (key: string) => `k.${Buffer.from(key, 'utf8').toString('base64url')}`;

function keyOfToken(token: string): string {
  const key = token.startsWith('k.') ? Buffer.from(token.slice(2), 'base64url').toString('utf8') : '';
  if (!key.startsWith('/') || key.length > 2048 || idKey(key) !== key) throw errors.badSkip();
  return key;
}
