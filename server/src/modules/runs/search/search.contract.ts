// The search language has two executions: SQL over what a workspace's database holds, and values in memory over the registered
// models. These are the cases that both answer alike: the same expressions over the same rows. A rule of the language is a row here.

import assert from 'node:assert/strict';

export type SearchRow = {
  readonly name: string;
  readonly createdMs: number;
  readonly tags: Readonly<Record<string, string>>;
  /** May be missing. */
  readonly runId?: string;
};
export type Page = { readonly names: readonly string[]; readonly nextPageToken?: string | undefined };
export type Searching = {
  /** What this execution calls the fields of a row; `run` only where one may be missing. */
  readonly fields: { readonly name: string; readonly created: string; readonly run?: string };
  search(input: {
    readonly filter?: string;
    readonly orderBy?: readonly string[];
    readonly maxResults?: number;
    readonly pageToken?: string;
  }): Promise<Page>;
};

const prototype: Readonly<Record<string, string>> = JSON.parse('{"__proto__":"kept","constructor":"mine"}');

/** In the order of their names, which is that of code points: a pair of surrogates comes last, and not before `～`. */
const rows: readonly SearchRow[] = [
  { name: 'Alpha', createdMs: 200, tags: { team: 'Red' }, runId: 'run-b' },
  { name: '[x]*?', createdMs: 400, tags: {} },
  { name: 'a%b', createdMs: 300, tags: {} },
  { name: 'a\\b', createdMs: 900, tags: {} },
  { name: 'a_b', createdMs: 300, tags: { team: '50%', 'k.1': 'x' } },
  { name: 'alpha', createdMs: 100, tags: { team: 'red', note: '' }, runId: 'run-a' },
  { name: 'É', createdMs: 600, tags: { team: 'é' } },
  { name: 'é', createdMs: 500, tags: { team: 'É' } },
  { name: '～', createdMs: 800, tags: prototype },
  { name: '😀z', createdMs: 700, tags: { 'a key': 'v' } },
];
const all = rows.map(({ name }) => name);
const but = (...names: readonly string[]) => all.filter((name) => !names.includes(name));

/** `{n}`: the name, `{c}`: when it was created. */
const filters: readonly (readonly [filter: string, found: readonly string[]])[] = [
  ['', all],
  [`{n} = 'alpha'`, ['alpha']],
  [`{n} != 'alpha'`, but('alpha')],
  // `%` is any text and `_` one character, of whatever plane; nothing else means anything but itself.
  [`{n} LIKE 'a%'`, ['a%b', 'a\\b', 'a_b', 'alpha']],
  [`{n} LIKE 'a_b'`, ['a%b', 'a\\b', 'a_b']],
  [`{n} LIKE 'A%'`, ['Alpha']],
  [`{n} LIKE '%a'`, ['Alpha', 'alpha']],
  [`{n} LIKE '%p%'`, ['Alpha', 'alpha']],
  [`{n} LIKE '_'`, ['É', 'é', '～']],
  [`{n} LIKE '_z'`, ['😀z']],
  [`{n} LIKE '[x]*?'`, ['[x]*?']],
  [`{n} LIKE '[ax]%'`, []],
  [`{n} LIKE '*'`, []],
  [`{n} LIKE '?'`, []],
  [`{n} LIKE 'a\\b'`, ['a\\b']],
  [`{n} LIKE 'a\\%b'`, ['a\\b']],
  [`{n} LIKE ''`, []],
  [`{n} LIKE '%'`, all],
  [`{n} LIKE '%%%'`, all],
  // ILIKE folds ASCII letters alone.
  [`{n} ILIKE 'A%'`, ['Alpha', 'a%b', 'a\\b', 'a_b', 'alpha']],
  [`{n} ILIKE 'A\\B'`, ['a\\b']],
  [`{n} ILIKE '[X]*?'`, ['[x]*?']],
  [`{n} ILIKE 'é'`, ['é']],
  [`{n} ILIKE '_Z'`, ['😀z']],
  ['{c} = 300', ['a%b', 'a_b']],
  ['{c} != 300', but('a%b', 'a_b')],
  ['{c} < 200', ['alpha']],
  ['{c} <= 200.5', ['Alpha', 'alpha']],
  ['{c} > 700', ['a\\b', '～']],
  ['{c} >= 700', ['a\\b', '～', '😀z']],
  ['{c} > -1', all],
  ['{c} < 1e999', all],
  ['{c} = 1e999', []],
  // Of what is missing nothing holds but IS NULL; a text may be empty and is there.
  [`tags.team = 'red'`, ['alpha']],
  [`tags.team != 'red'`, ['Alpha', 'a_b', 'É', 'é']],
  [`tags.team LIKE '%e%'`, ['Alpha', 'alpha']],
  [`tags.team ILIKE 'RED'`, ['Alpha', 'alpha']],
  [`tags.team = '50%'`, ['a_b']],
  [`tags.team LIKE '50_'`, ['a_b']],
  ['tags.team IS NULL', but('Alpha', 'a_b', 'alpha', 'É', 'é')],
  ['tags.team IS NOT NULL', ['Alpha', 'a_b', 'alpha', 'É', 'é']],
  [`tags.note = ''`, ['alpha']],
  [`tags.note != ''`, []],
  [`tags.note LIKE '%'`, ['alpha']],
  [`tags.note IS NULL`, but('alpha')],
  [`tag.k.1 = 'x'`, ['a_b']],
  [`tags."k.1" = "x"`, ['a_b']],
  [`tags.\`a key\` = 'v'`, ['😀z']],
  [`tags.Team IS NULL`, all],
  // Keys are data: what every object has is no tag.
  ['tags.toString IS NULL', all],
  [`tags.constructor = 'mine'`, ['～']],
  ['tags.constructor IS NULL', but('～')],
  [`tags.\`__proto__\` = 'kept'`, ['～']],
  [`{n} LIKE 'a%' AND {c} = 300 AND tags.team IS NULL`, ['a%b']],
  [`{n} = 'alpha' and {n} = 'Alpha'`, []],
];

/** `{r}`: the run, which most rows do not have. */
const ofRuns: typeof filters = [
  [`{r} = 'run-a'`, ['alpha']],
  [`{r} != 'run-a'`, ['Alpha']],
  [`{r} = ''`, []],
  [`{r} != ''`, ['Alpha', 'alpha']],
  [`{r} LIKE '%'`, ['Alpha', 'alpha']],
  [`{r} ILIKE 'RUN-_'`, ['Alpha', 'alpha']],
  [`{r} IN ('run-a')`, ['alpha']],
  [`{r} IN ('run-b', 'run-a', 'x')`, ['Alpha', 'alpha']],
  [`{r} NOT IN ('run-a')`, ['Alpha']],
  [`{r} NOT IN ('run-a', 'x')`, ['Alpha']],
];

const orders: readonly (readonly [orderBy: readonly string[], found: readonly string[]])[] = [
  [['{n}'], all],
  [['{n} ASC'], all],
  [['{n} DESC'], all.toReversed()],
  [
    ['{c}', '{n} DESC'],
    ['alpha', 'Alpha', 'a_b', 'a%b', '[x]*?', 'é', 'É', '😀z', '～', 'a\\b'],
  ],
  [
    ['{c} DESC', '{n}'],
    ['a\\b', '～', '😀z', 'É', 'é', '[x]*?', 'a%b', 'a_b', 'Alpha', 'alpha'],
  ],
];

/** @param open a search over exactly these rows */
export type SearchCase = {
  readonly title: string;
  check(open: (rows: readonly SearchRow[]) => Promise<Searching>): Promise<void>;
};

/** Each is a test of every execution. */
export const searchContract: readonly SearchCase[] = [
  {
    title: 'every filter finds what the language says',
    async check(open) {
      const { fields, search } = await open(rows);
      const asked = [...filters, ...(fields.run === undefined ? [] : ofRuns)];
      const found: (readonly [string, readonly string[]])[] = [];
      for (const [filter] of asked)
        found.push([filter, (await search({ filter: written(filter, fields), orderBy: [fields.name] })).names]);
      assert.deepEqual(found, asked);
    },
  },

  {
    title: 'every order is that of numbers and of code points, whole and page by page',
    async check(open) {
      const { fields, search } = await open(rows);
      for (const [order, found] of orders) {
        const orderBy = order.map((item) => written(item, fields));
        assert.deepEqual((await search({ orderBy })).names, found, orderBy.join());
        const names: string[] = [];
        let page = await search({ orderBy, maxResults: 3 });
        for (
          ;
          page.nextPageToken !== undefined;
          page = await search({ orderBy, maxResults: 3, pageToken: page.nextPageToken })
        ) {
          assert.equal(page.names.length, 3);
          names.push(...page.names);
        }
        assert.deepEqual([...names, ...page.names], found, `${orderBy.join()}, in pages`);
      }
    },
  },

  {
    title: 'a page token goes on with the search that it came from, and with no other',
    async check(open) {
      const { fields, search } = await open(rows);
      const orderBy = [fields.name];
      const { nextPageToken: pageToken = '' } = await search({ orderBy, maxResults: 3 });
      const refused = { kind: 'invalid', message: /page token/ };
      await assert.rejects(search({ orderBy: [`${fields.name} DESC`], maxResults: 3, pageToken }), refused);
      await assert.rejects(search({ orderBy, filter: `${fields.name} != 'x'`, maxResults: 3, pageToken }), refused);
      await assert.rejects(search({ orderBy, maxResults: 3, pageToken: `${pageToken}x` }), refused);
    },
  },
];

const written = (expression: string, { name, created, run = '' }: Searching['fields']) =>
  expression.replaceAll('{n}', name).replaceAll('{c}', created).replaceAll('{r}', run);
