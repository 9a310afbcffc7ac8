// Lists of resources: bounded pages in id order, or in an order that was asked for, filtered by what the caller may see. The
// token of the next page is the last one that was shown, never one that was skipped: a token must not tell the name of what
// is hidden.

import { resourceLimits } from '@strongroom/contract/resources';
import type { Database } from '#kernel/database/database';
import { idKey } from '#kernel/ids/ids';
import { depthOf, isGroupOrAbove } from './catalog.service.ts';
import type { Homes } from './homes.service.ts';
import type { Resource, ResourceKind } from './kind.types.ts';
import { resourcesFailures } from './resources.errors.ts';
import { pageOfType, type Stored } from './resources.store.ts';

const batchRows = 500;
const batchRowsMin = 50;
/** A list looks through at most this many rows for one page. */
const batchesMax = 200;
const ownersMax = 10_000;
/** A list in another order is gathered whole; beyond this it is refused rather than cut. */
const orderedMax = 20_000;

export type Page = { readonly resources: readonly Resource[]; readonly next: string | undefined };

/** What is compared, and which way. Equal ones are in id order, that way too. */
export type Order = { readonly of: (resource: Resource) => string; readonly descending: boolean };

export type PageQuery = {
  readonly type: string | undefined;
  readonly under: string;
  readonly shows: (resource: Resource) => boolean;
  readonly limit: number;
  /** Key of the last resource of the page before. */
  readonly after: string;
  /** In id order without it. */
  readonly order?: Order | undefined;
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
    throw resourcesFailures.ResponseTooLarge();
  }

  /** A page of what stands directly in groups, or of the children of one resource. */
  const page = async (query: PageQuery): Promise<Page> => {
    const home = await homes.below({ id: query.under });
    return query.order === undefined ? pageOf(home, query) : orderedPage(home, query, query.order);
  };

  /** Looks at all there are, as many as a list may look at, and keeps keys of those; the resources of one page. */
  async function orderedPage(database: Database, query: PageQuery, order: Order): Promise<Page> {
    const all: { readonly key: string; readonly resource: Resource }[] = [];
    let looked = 0;
    for (let after = '', more = true; more; ) {
      // Whoever sees few of them, or none, has no more looked at for him than a list in id order.
      if (all.length >= orderedMax || looked >= batchesMax * batchRows) throw resourcesFailures.ResponseTooLarge();
      const rows = await pageOfType(database, { type: query.type, under: query.under, after, limit: batchRows });
      looked += rows.length;
      for (const row of rows) {
        const resource = present(row);
        after = idKey(resource.id);
        if (query.shows(resource)) all.push({ key: `${order.of(resource)}\0${after}`, resource });
      }
      more = rows.length === batchRows;
    }
    const way = order.descending ? -1 : 1;
    const isBehind = (key: string, other: string) => (key === other ? 0 : key < other ? -way : way);
    const left = all
      .filter(({ key }) => query.after === '' || isBehind(key, query.after) > 0)
      .sort((a, b) => isBehind(a.key, b.key))
      .slice(query.skip);
    const shown = left.slice(0, query.limit);
    return {
      resources: shown.map(({ resource }) => resource),
      next: left.length > shown.length ? shown.at(-1)?.key : undefined,
    };
  }

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

  async function* eachOf(database: Database, query: Pick<PageQuery, 'type' | 'under' | 'shows'>) {
    for (let after = '', more = true; more; ) {
      const { resources, next } = await pageOf(database, { ...query, limit: batchRows - 1, after, skip: 0 });
      yield* resources;
      more = next !== undefined;
      after = next ?? '';
    }
  }

  /** The same without a limit; only what is being looked at is held. */
  async function* each(
    type: string,
    under: string,
    shows: (resource: Resource) => boolean,
  ): AsyncGenerator<Resource, void> {
    const query = { type, under, shows };
    if (depthOf(type) === 1) return yield* eachOf(homes.control, query);
    if (!isGroupOrAbove(under)) return yield* eachOf(await homes.below({ id: under }), query);
    yield* eachOf(homes.control, query);
    const ownerType = type.split('/').slice(0, 2).join('/');
    for await (const owner of eachOf(homes.control, { type: ownerType, under, shows: () => true })) {
      const home = await homes.below(owner);
      if (home !== homes.control) yield* eachOf(home, { ...query, under: owner.id });
    }
  }

  return { page, gather, each, control: (query: PageQuery) => pageOf(homes.control, query) };
}
export type Listing = ReturnType<typeof createListing>;

type Query = Readonly<Record<string, unknown>>;

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
const parametersMax = 32;
/** Where a list goes on, and what belongs to every request: neither is of what a list was asked for. */
const notAsked = new Set(['$skip', '$skiptoken', 'api-version']);

/**
 * The query of a list, whichever page of it: behind the first page it is in the token, so that a client may add what it asked
 * for to nextLink again, or leave it out. The place itself is left out.
 */
export function askedOf(query: Query): { readonly asked: Query; readonly after: string } {
  const skip = textOf(query['$skip']);
  const token = textOf(query['$skipToken']) ?? textOf(query['$skiptoken']) ?? (isCount(skip) ? undefined : skip);
  if (token === undefined) return { asked: query, after: '' };
  const { key, asked } = readToken(token);
  return { asked, after: key };
}

const isCount = (skip: string | undefined) => skip !== undefined && /^\d{1,6}$/.test(skip);

/**
 * `$top`, `$skip`, `$orderBy` and the place of a page, by the names that lists of Azure ML have for them too (`count`,
 * `offset`). `$skip` is a count, or, as Azure ML has it, a token as well.
 */
export function readPaging(
  { asked, after }: ReturnType<typeof askedOf>,
  orders?: ResourceKind['orders'],
): Pick<PageQuery, 'limit' | 'after' | 'skip' | 'order'> {
  const top = Number(textOf(asked['$top']) ?? textOf(asked['count']) ?? resourceLimits.pageSize);
  const limit = Math.min(Math.max(1, Number.isFinite(top) ? top : 1), resourceLimits.pageSizeMax);
  const order = readOrder(textOf(asked['$orderBy']), orders);
  const id = order === undefined ? after : after.slice(after.indexOf('\0') + 1);
  if (after !== '' && (!id.startsWith('/') || idKey(id) !== id || (order !== undefined && id === after)))
    throw resourcesFailures.InvalidSkipToken();
  const skip = textOf(asked['$skip']) ?? textOf(asked['offset']);
  return { limit, after, skip: after === '' && isCount(skip) ? Number(skip) : 0, order };
}

/** `createdtime desc`: one field, and a way. */
function readOrder(asked: string | undefined, orders: ResourceKind['orders']): Order | undefined {
  if (asked === undefined) return undefined;
  const [name = '', way = 'asc', ...more] = asked.trim().toLowerCase().split(/\s+/);
  const of = orders !== undefined && Object.hasOwn(orders, name) ? orders[name] : undefined;
  if (of === undefined || more.length > 0 || (way !== 'asc' && way !== 'desc'))
    throw resourcesFailures.InvalidOrderBy(asked, Object.keys(orders ?? {}));
  return { of, descending: way === 'desc' };
}

/** Letters in front keep a token from looking like a count. */
export function tokenOf(key: string, asked: Query): string {
  const kept = Object.entries(asked).filter(
    ([name, value]) => !notAsked.has(name.toLowerCase()) && typeof value === 'string',
  );
  return `k.${Buffer.from(JSON.stringify([key, Object.fromEntries(kept)]), 'utf8').toString('base64url')}`;
}

/** Whoever wrote it: what it says is checked like what a query says. */
function readToken(token: string): { readonly key: string; readonly asked: Query } {
  let read: unknown;
  try {
    read = token.startsWith('k.') ? JSON.parse(Buffer.from(token.slice(2), 'base64url').toString('utf8')) : undefined;
  } catch {
    throw resourcesFailures.InvalidSkipToken();
  }
  const [key, asked] = Array.isArray(read) ? (read as unknown[]) : [];
  if (typeof key !== 'string' || key === '' || key.length > 4096) throw resourcesFailures.InvalidSkipToken();
  const values =
    typeof asked === 'object' && asked !== null && !Array.isArray(asked) ? Object.values(asked) : undefined;
  if (values === undefined || values.length > parametersMax || values.some((value) => typeof value !== 'string'))
    throw resourcesFailures.InvalidSkipToken();
  return { key, asked: asked as Query };
}
