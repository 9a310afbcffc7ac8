// A setting as data: where it stands, what it is when nobody sets it, what may be written, and for whom it is told. A room declares
// its own and hands them over with its module; the one reader (`config.ts`) knows no setting, and docs/operations/settings.md is printed
// from the declarations. No setting weakens a check, and none is a secret: a secret lies in a file that a setting names.

type Told = { readonly help: string };

export type Setting =
  | (Told & {
      readonly kind: 'text';
      readonly standard: string;
      readonly pattern: RegExp;
      /** What to write instead, for whoever wrote something else: `a host name in small letters`. */
      readonly wanted: string;
    })
  | (Told & {
      readonly kind: 'whole';
      readonly standard: number;
      readonly min: number;
      readonly max: number;
      /** A number outside of the bounds that means something of its own. */
      readonly or?: number;
    })
  | (Told & { readonly kind: 'truth'; readonly standard: boolean })
  | (Told & { readonly kind: 'word'; readonly standard: string; readonly words: readonly string[] })
  | (Told & {
      readonly kind: 'list';
      readonly standard: readonly string[];
      readonly most: number;
      readonly pattern: RegExp;
      /** Of each: `host names in small letters`. */
      readonly wanted: string;
    })
  | (Told & {
      /** The path of a file; empty: none. */
      readonly kind: 'file';
      readonly standard: string;
      /** The file holds a secret: what was written in its place is never shown. */
      readonly holdsSecret?: boolean;
    });

/** By where they stand in the file: `http.port`. */
export type Settings = Readonly<Record<string, Setting>>;

export type SettingList<S extends Settings = Settings> = {
  readonly settings: S;
  /** What is valid by itself and says nothing without another of the same list: mistakes, in sentences. Given values that are valid. */
  readonly together?: (read: (path: string) => Value) => readonly string[];
};

export type Value = string | number | boolean | readonly string[];

type ValueOf<S extends Setting> = S extends { readonly kind: 'word'; readonly words: readonly (infer W)[] }
  ? W
  : S['kind'] extends 'whole'
    ? number
    : S['kind'] extends 'truth'
      ? boolean
      : S['kind'] extends 'list'
        ? readonly string[]
        : string;
type At<Path extends string, V> = Path extends `${infer Step}.${infer Rest}`
  ? { readonly [K in Step]: At<Rest, V> }
  : { readonly [K in Path]: V };
type All<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

/** What a reader of these settings gets: `config.http.port`. */
export type ConfigOf<S extends Settings> = All<{ [P in keyof S & string]: At<P, ValueOf<S[P]>> }[keyof S & string]>;

const pathPattern = /^[a-z][a-zA-Z0-9]*(\.[a-z][a-zA-Z0-9]*)*$/;

/** @throws Error when a declaration is none: a place that cannot be written, or a standard that would be refused itself */
export function settingList<const S extends Settings>(
  settings: S,
  more: Omit<SettingList<S>, 'settings'> = {},
): SettingList<S> {
  for (const [path, setting] of Object.entries(settings)) {
    if (!pathPattern.test(path)) throw new Error(`a setting cannot stand at '${path}'`);
    if (!accepts(setting, setting.standard))
      throw new Error(`what ${path} is when nobody sets it is not ${wantedOf(setting)}`);
    if (setting.help.length < 8) throw new Error(`${path} does not say what it is for`);
  }
  return Object.freeze({ settings, ...more });
}

/** `STRONGROOM_HTTP_PORT` is `http.port`. */
export const variableOf = (path: string): string =>
  `STRONGROOM_${path
    .replaceAll('.', '_')
    .replace(/([A-Z])/g, '_$1')
    .toUpperCase()}`;

/** The whole sentence is `write …`. */
export function wantedOf(setting: Setting): string {
  switch (setting.kind) {
    case 'text':
      return setting.wanted;
    case 'whole': {
      const within = `a whole number from ${setting.min} to ${setting.max}`;
      return setting.or === undefined ? within : `${setting.or}, or ${within}`;
    }
    case 'truth':
      return 'true or false';
    case 'word':
      return `one of ${setting.words.join(', ')}`;
    case 'list':
      return `a list of ${setting.most} at most: ${setting.wanted}`;
    case 'file':
      return 'the path of a file, or an empty text for none';
  }
}

const textMax = 4_096;
const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= textMax;

export function accepts(setting: Setting, value: unknown): value is Value {
  switch (setting.kind) {
    case 'text':
      return isText(value) && setting.pattern.test(value);
    case 'whole':
      return (
        Number.isSafeInteger(value) &&
        (value === setting.or || (Number(value) >= setting.min && Number(value) <= setting.max))
      );
    case 'truth':
      return typeof value === 'boolean';
    case 'word':
      return isText(value) && setting.words.includes(value);
    case 'list':
      return (
        Array.isArray(value) &&
        value.length <= setting.most &&
        value.every((one) => isText(one) && setting.pattern.test(one))
      );
    case 'file':
      // Whatever else a path holds is the file system's to judge.
      return isText(value) && !value.includes('\0') && !value.includes('\n');
  }
}

/** What a variable says, which has only text. What is none of its kind stays as it is, to be refused with the others. */
export function fromText(setting: Setting, text: string): unknown {
  switch (setting.kind) {
    case 'whole':
      // Not what Number makes of an empty text: that would be port 0.
      return /^\d{1,15}$/.test(text) ? Number(text) : text;
    case 'truth':
      return ({ true: true, false: false } as Readonly<Record<string, boolean>>)[text] ?? text;
    case 'list':
      return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
    default:
      return text;
  }
}
