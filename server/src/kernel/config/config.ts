// Configuration: one file, one type, mechanical overrides (`STRONGROOM_HTTP_PORT` is `http.port`), every mistake
// reported at once, unknown keys refused. The only reader of the environment. No setting weakens a check: what is here
// places things and bounds them. Secrets come as paths to files, never as values.

import { readFileSync } from 'node:fs';
import { type Static, Type } from '@strongroom/contract/schema';
import { parse } from 'yaml';
import { Failure } from '#kernel/errors/failure';
import { validate } from '#kernel/input/validate';
import { configFailures } from './config.errors.ts';

const section = <T extends Parameters<typeof Type.Object>[0]>(properties: T) =>
  Type.Object(properties, { additionalProperties: false });

export const configSchema = section({
  dataDir: Type.String({
    minLength: 1,
    description: 'Folder of everything that Strongroom keeps. Made with mode 0700.',
  }),
  location: Type.String({ pattern: '^[a-z0-9]{2,30}$', description: 'Name of the region that this installation is.' }),
  http: section({
    host: Type.String({ minLength: 1, description: 'Address to listen on.' }),
    port: Type.Integer({ minimum: 0, maximum: 65535, description: '0: a free one.' }),
    /** Host name that clients use; virtual hosts of vaults and accounts are below it. */
    domain: Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$', description: 'Host name that clients use.' }),
    aliases: Type.Array(Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' }), {
      maxItems: 32,
      description: 'Further names that clients use. Any other name is refused.',
    }),
    trustedProxies: Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
      maxItems: 64,
      description: 'Addresses and ranges of proxies whose X-Forwarded-For is believed. Of anybody else it is not.',
    }),
    /** A certificate of somebody else's authority, shown to whoever asks for a name that it is for. Empty: none. */
    tls: section({
      certificateFile: Type.String({
        description: 'The certificate and the ones above it, in PEM. Read again when it changes.',
      }),
      keyFile: Type.String({ description: 'Its private key, in PEM, without a password.' }),
      authorityFile: Type.String({
        description: 'Its authority, in PEM, where clients do not know it. Handed out with our own.',
      }),
    }),
  }),
  keys: section({
    rootKeyFile: Type.String({
      description: 'Root key file; empty: keys/root.key in the data folder. Put it on another disk than the data.',
    }),
  }),
  log: section({
    level: Type.Union([
      Type.Literal('debug'),
      Type.Literal('info'),
      Type.Literal('warn'),
      Type.Literal('error'),
      Type.Literal('silent'),
    ]),
  }),
  disk: section({
    keepFreeBytes: Type.Integer({
      minimum: 0,
      description:
        'Free space below which nothing that grows is taken; at least 1 GiB or 5 % of the disk (10 GiB at most) in any case.',
    }),
    quotaPercent: Type.Integer({
      minimum: 1,
      maximum: 100,
      description:
        'Of the disk, what one storage account, registry or workspace database may hold unless a quota was set for it.',
    }),
  }),
  audit: section({
    checkpointFile: Type.String({
      description: 'A file that checkpoints are appended to as well; empty: none. Others keep it as their proof.',
    }),
    retentionDays: Type.Integer({
      minimum: 0,
      maximum: 36_500,
      description:
        'Days after which records that are archived may be dropped; at least 90. 0: never. Nothing is dropped by itself.',
    }),
  }),
  agent: section({
    embedded: Type.Boolean({ description: 'Whether the server starts a compute agent on this machine.' }),
    maxNodes: Type.Integer({
      minimum: 0,
      maximum: 256,
      description: 'Sandboxed nodes of this machine, over all clusters.',
    }),
  }),
});

export type Config = Static<typeof configSchema>;

const defaults: Config = {
  dataDir: './strongroom-data',
  location: 'local',
  http: {
    host: '127.0.0.1',
    port: 8443,
    domain: 'localhost',
    aliases: [],
    trustedProxies: [],
    tls: { certificateFile: '', keyFile: '', authorityFile: '' },
  },
  keys: { rootKeyFile: '' },
  log: { level: 'info' },
  disk: { keepFreeBytes: 0, quotaPercent: 50 },
  audit: { checkpointFile: '', retentionDays: 0 },
  agent: { embedded: true, maxNodes: 8 },
};

type Tree = { [name: string]: unknown };
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

function merge(base: Tree, over: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const present = merged[name];
    merged[name] = isTree(present) && isTree(value) ? merge(present, value) : value;
  }
  return merged;
}

const variableOf = (path: readonly string[]) =>
  `STRONGROOM_${path.map((step) => step.replace(/([A-Z])/g, '_$1').toUpperCase()).join('_')}`;

/** Overrides from the environment, typed as the default of the same place is. Unknown STRONGROOM_ names are mistakes. */
function fromEnvironment(environment: Readonly<Record<string, string | undefined>>, mistakes: string[]): Tree {
  const known = new Map<string, readonly string[]>();
  const walk = (tree: Tree, path: readonly string[]) => {
    for (const [name, value] of Object.entries(tree))
      isTree(value) ? walk(value, [...path, name]) : known.set(variableOf([...path, name]), [...path, name]);
  };
  walk(defaults as unknown as Tree, []);
  let over: Tree = {};
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('STRONGROOM_') || text === undefined) continue;
    const path = known.get(variable);
    if (!path) {
      if (!reservedVariables.has(variable))
        mistakes.push(`${variable} is no setting; the settings are ${[...known.keys()].join(', ')}`);
      continue;
    }
    const standard = path.reduce<unknown>((at, step) => (isTree(at) ? at[step] : undefined), defaults);
    const value =
      typeof standard === 'number'
        ? // Not what Number makes of an empty text: that would be port 0.
          /^\d{1,15}$/.test(text)
          ? Number(text)
          : text
        : typeof standard === 'boolean'
          ? text === 'true'
            ? true
            : text === 'false'
              ? false
              : text
          : Array.isArray(standard)
            ? text.split(',').flatMap((part) => (part.trim() === '' ? [] : [part.trim()]))
            : text;
    over = merge(over, path.reduceRight<unknown>((inner, step) => ({ [step]: inner }), value) as Tree);
  }
  return over;
}

/** Read by the command line, not by the server. */
const reservedVariables = new Set([
  'STRONGROOM_CONFIG',
  'STRONGROOM_HOME',
  'STRONGROOM_URL',
  'STRONGROOM_CA_FILE',
  'STRONGROOM_RUNTIME',
]);

/**
 * @param options.file path of a YAML file, or undefined
 * @param options.flags from the command line; they win over the environment, which wins over the file
 * @throws Failure `invalid` that names every mistake
 */
export function readConfig(options: {
  readonly file?: string | undefined;
  readonly flags?: Tree;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}): Config {
  const mistakes: string[] = [];
  let fromFile: Tree = {};
  if (options.file !== undefined) {
    try {
      const parsed: unknown = parse(readFileSync(options.file, 'utf8'), { maxAliasCount: 0 });
      if (isTree(parsed)) fromFile = parsed;
      else if (parsed !== null) mistakes.push(`${options.file} does not hold a mapping`);
    } catch (thrown) {
      mistakes.push(
        `${options.file} cannot be read: ${thrown instanceof Error ? thrown.message.split('\n')[0] : 'unknown reason'}`,
      );
    }
  }
  const environment = fromEnvironment(options.environment ?? process.env, mistakes);
  const config = [fromFile, environment, options.flags ?? {}].reduce<Tree>(merge, defaults as unknown as Tree);
  try {
    validate(configSchema, config, 'configuration');
  } catch (thrown) {
    if (thrown instanceof Failure) mistakes.push(...thrown.details.map((detail) => detail.message));
    else throw thrown;
  }
  mistakes.push(...halfGiven(config as unknown as Config));
  if (mistakes.length > 0) throw configFailures.InvalidConfiguration(mistakes);
  return config as unknown as Config;
}

/** As long as Azure keeps its activity log: less would drop what its clients may ask for. */
export const retentionDaysMin = 90;

/** What is valid by itself and says nothing without its other half. */
function halfGiven({ http, audit }: Config): readonly string[] {
  const { certificateFile, keyFile, authorityFile } = http?.tls ?? {};
  const [hasCertificate, hasKey, hasAuthority] = [certificateFile, keyFile, authorityFile].map(
    (file) => (file ?? '') !== '',
  );
  const days = audit?.retentionDays ?? 0;
  return [
    ...(days > 0 && days < retentionDaysMin
      ? [`audit.retentionDays is ${days}; it is 0 (records are kept for ever) or at least ${retentionDaysMin}`]
      : []),
    ...(hasCertificate === hasKey
      ? []
      : ['http.tls.certificateFile and http.tls.keyFile are given together or not at all']),
    ...(hasAuthority && !hasCertificate
      ? ['http.tls.authorityFile belongs to http.tls.certificateFile, which is empty']
      : []),
  ];
}
