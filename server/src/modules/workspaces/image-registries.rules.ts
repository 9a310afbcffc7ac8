// Which registries of others images may come from: the operator's word and the workspace's together, by exact host and as narrow as
// either says. Pure.

/** `HOST`, `HOST/REPOSITORY` or `HOST/PREFIX/*`. */
export type RegistryPattern = {
  /** `ghcr.io`, `registry.example:5000`: exactly this one, and none below it. */
  readonly host: string;
  /** Exactly this, or everything below it where it ends in `/`; empty: all. */
  readonly repositories: string;
};

/** The operator's: what else takes part when an image of it is fetched. */
export type RegistryRule = RegistryPattern & {
  /** Hosts that its tokens and its blobs may come from, besides its own. */
  readonly also: readonly string[];
};

const hostPattern = /^(?=.{1,100}$)[a-z0-9]+(?:[.-]+[a-z0-9]+)*(?::[1-9][0-9]{0,4})?$/;
const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const repositoriesPattern = new RegExp(`^(?=.{1,180}$)${component}(?:/${component})*(?:/\\*)?$`);

/** Of a registry as images name it: a dot or a port tells it from the beginning of a repository. */
export const isRegistryHost = (text: string): boolean => hostPattern.test(text) && /[.:]/.test(text);

/** Answers what is wrong with it as text. */
export function readRegistryPattern(text: string): RegistryPattern | string {
  const at = text.indexOf('/');
  const host = at < 0 ? text : text.slice(0, at);
  const repositories = at < 0 ? '' : text.slice(at + 1);
  const short = text.slice(0, 200);
  if (!isRegistryHost(host))
    return `'${short}' does not begin with the host of a registry in small letters (ghcr.io, registry.example:5000)`;
  if (at >= 0 && !repositoriesPattern.test(repositories))
    return `'${short}' is not HOST, HOST/REPOSITORY or HOST/PREFIX/* (a repository is in small letters, without a tag)`;
  return { host, repositories: repositories.replace(/\*$/, '') };
}

export const textOfPattern = ({ host, repositories }: RegistryPattern): string =>
  repositories === '' ? host : `${host}/${repositories}${repositories.endsWith('/') ? '*' : ''}`;

/** What a workspace has said, as it was written. */
export function imageRegistryTexts(properties: Readonly<Record<string, unknown>>): readonly string[] {
  const texts = properties['imageRegistries'];
  return Array.isArray(texts) ? texts.filter((each) => typeof each === 'string') : [];
}

/** The same, checked when it was written. */
export const imageRegistriesOf = (properties: Readonly<Record<string, unknown>>): readonly RegistryPattern[] =>
  imageRegistryTexts(properties)
    .map(readRegistryPattern)
    .filter((each) => typeof each !== 'string');

/** `PATTERN` or `PATTERN=HOST,HOST`. Answers what is wrong with it as text. */
export function readRegistryRule(text: string): RegistryRule | string {
  const [pattern = '', also, ...more] = text.split('=');
  const read = readRegistryPattern(pattern);
  if (typeof read === 'string') return read;
  const hosts = also === undefined ? [] : also.split(',');
  const wrong = hosts.find((host) => !isRegistryHost(host));
  if (more.length > 0 || wrong !== undefined)
    return `'${text.slice(0, 200)}' names hosts after its '=' that are none: write PATTERN=HOST,HOST`;
  return { ...read, also: hosts };
}

const covers = (pattern: RegistryPattern, host: string, repository: string): boolean =>
  pattern.host === host &&
  (pattern.repositories === '' ||
    (pattern.repositories.endsWith('/')
      ? repository.startsWith(pattern.repositories)
      : repository === pattern.repositories));

/** Whether all that this pattern covers is covered by one of those. */
export const isCovered = (pattern: RegistryPattern, by: readonly RegistryPattern[]): boolean =>
  by.some((each) =>
    each.repositories.endsWith('/') || each.repositories === '' || !pattern.repositories.endsWith('/')
      ? covers(each, pattern.host, pattern.repositories)
      : false,
  );

/** What stands in the way of an image, the operator's word first. */
export function registryClosed(
  rules: readonly RegistryPattern[],
  own: readonly RegistryPattern[],
  { host, repository }: { readonly host: string; readonly repository: string },
): 'byOperator' | 'byWorkspace' | undefined {
  if (!rules.some((each) => covers(each, host, repository))) return 'byOperator';
  return own.some((each) => covers(each, host, repository)) ? undefined : 'byWorkspace';
}

/** The hosts that take part when this image is fetched, by every rule that covers it. */
export const alsoOf = (rules: readonly RegistryRule[], image: { readonly host: string; readonly repository: string }) =>
  rules.filter((each) => covers(each, image.host, image.repository)).flatMap(({ also }) => also);
