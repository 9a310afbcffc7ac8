// Searching registered models and versions: in memory, over what the registry answers, page by page.

import type { Database } from '#kernel/database/database';
import { pageTokenKey } from '../databases.service.ts';
import { invalid } from '../runs.errors.ts';
import type { Grammar } from '../search/filter.rules.ts';
import { parseFilter, parseOrderings } from '../search/filter.rules.ts';
import { registeredModelGrammar, registeredVersionGrammar } from '../search/grammars.rules.ts';
import { readPlace, signPlace } from '../search/pages.rules.ts';
import { pageLimit, type Searched, type SearchInput } from '../search/search.service.ts';
import { type Cell, type Column, columnsOf, holds, pageAfter } from './matching.rules.ts';
import { sourceOf } from './registered.view.ts';
import type { RegisteredModel, RegisteredVersion, Texts } from './registry.types.ts';

/** Prompts are models with this tag; a search finds them only when it asks for them. */
export const promptTag = 'mlflow.prompt.is_prompt';
export const isPrompt = ({ tags }: { readonly tags: Texts }): boolean => tagOf(tags, promptTag) === 'true';

export function searchModels(
  database: Database,
  all: readonly RegisteredModel[],
  input: SearchInput,
): Promise<Searched<RegisteredModel>> {
  const search = { ...input, maxResults: input.maxResults ?? 100 };
  return searched(database, 'registered models', search, all, registeredModelGrammar, {
    table: modelCells,
    last: [{ of: ({ name }) => name, ascending: true }],
  });
}

export function searchVersions(
  database: Database,
  all: readonly RegisteredVersion[],
  input: SearchInput,
): Promise<Searched<RegisteredVersion>> {
  // Its clients ask for up to 200,000 at once, and go on by the token.
  const search = { ...input, maxResults: Math.min(input.maxResults ?? 1000, 1000) };
  const newest: Column<RegisteredVersion> = { of: ({ changedMs }) => changedMs, ascending: false };
  return searched(database, 'model versions', search, all, registeredVersionGrammar, {
    table: versionCells,
    last: [
      ...((input.orderBy?.length ?? 0) === 0 ? [newest] : []),
      { of: ({ name }) => name, ascending: true },
      { of: ({ version }) => Number(version), ascending: false },
    ],
  });
}

const modelCells: Readonly<Record<string, (row: RegisteredModel) => Cell>> = {
  name: ({ name }) => name,
  creation_timestamp: ({ createdMs }) => createdMs,
  last_updated_timestamp: ({ changedMs }) => changedMs,
};
const versionCells: Readonly<Record<string, (row: RegisteredVersion) => Cell>> = {
  name: ({ name }) => name,
  version_number: ({ version }) => Number(version),
  run_id: ({ runId }) => runId,
  source_path: sourceOf,
  creation_timestamp: ({ createdMs }) => createdMs,
  last_updated_timestamp: ({ changedMs }) => changedMs,
};

/** What one answer should weigh: model cards and prompts are kept in tags and descriptions. */
const pageCharactersMax = 8_000_000;

const charactersOf = ({ tags, description }: { readonly tags: Texts; readonly description: string }): number =>
  Object.entries(tags).reduce((sum, [key, value]) => sum + key.length + value.length, description.length);

const tagOf = (tags: Texts, key: string) => (Object.hasOwn(tags, key) ? tags[key] : undefined);

async function searched<R extends { readonly tags: Texts; readonly description: string }>(
  database: Database,
  what: string,
  input: SearchInput,
  all: readonly R[],
  grammar: Grammar,
  by: {
    readonly table: Readonly<Record<string, (row: R) => Cell>>;
    readonly last: readonly Column<R>[];
  },
): Promise<Searched<R>> {
  const comparisons = parseFilter(input.filter ?? '', grammar);
  const order = parseOrderings(input.orderBy ?? [], grammar);
  if (order.some(({ entity }) => entity === 'tag')) throw invalid(`The ${what} cannot be ordered by tag.`, 'order_by');
  const limit = pageLimit(input.maxResults);
  const key = await pageTokenKey(database);
  const question = [what, comparisons, order];
  const after = readPlace(key, question, input.pageToken);
  const ofPrompts = comparisons.filter(({ entity, key: named }) => entity === 'tag' && named === promptTag);
  const wantsPrompts = ofPrompts.some(({ operator, value }) => operator === '=' && value === 'true');
  const others = comparisons.filter((comparison) => !ofPrompts.includes(comparison));
  const matching = all.filter(
    (row) =>
      isPrompt(row) === wantsPrompts &&
      others.every((comparison) =>
        holds(
          comparison,
          comparison.entity === 'tag' ? tagOf(row.tags, comparison.key) : by.table[comparison.key]?.(row),
        ),
      ),
  );
  // Columns that can be ordered by are never missing.
  const columns = Object.fromEntries(Object.entries(by.table).map(([name, of]) => [name, (row: R) => of(row) ?? '']));
  const { rows, next } = pageAfter(matching, columnsOf(order, columns, by.last), after, limit, {
    of: charactersOf,
    max: pageCharactersMax,
  });
  return { items: rows, ...(next === undefined ? {} : { nextPageToken: signPlace(key, question, next) }) };
}
