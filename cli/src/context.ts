// What every command works with: the options that many share, the client, and how to answer. Made once a command runs; nothing
// is read and nobody is asked before a command needs it.

import { resolve } from 'node:path';
import { type Client, createClient, type JsonObject } from '@strongroom/contract/client';
import {
  groupPath,
  resourcePath,
  vaultOrigin,
  type WorkspacePaths,
  workspacePaths,
  workspaceType,
} from '@strongroom/contract/client.paths';
import { NotSignedIn, UsageError } from './exit.ts';
import { type Home, openHome, type SettingName, type Settings } from './home.ts';
import type { Options } from './options.ts';
import { createPresenter, isFormat, type Presenter } from './presenting.ts';
import { createProgress, type Progress } from './progress.ts';
import { createSessions } from './session.ts';
import type { Shell } from './shell.ts';
import type { HttpsTransport } from './transport.ts';
import { clientName } from './version.ts';

export type Context = Presenter & {
  readonly shell: Shell;
  readonly home: Home;
  readonly settings: Settings;
  readonly url: string;
  readonly caFile: string | undefined;
  readonly sessions: ReturnType<typeof createSessions>;
  readonly client: Client;
  readonly subscription: string;
  readonly location: string;
  /** Whether a resource group is given or remembered. */
  readonly hasGroup: boolean;
  /** A name of a resource group: of the option, else the remembered one. */
  readonly group: string;
  readonly groupPath: string;
  readonly hasWorkspace: boolean;
  readonly workspace: WorkspacePaths;
  /** Whether it is to be run again, to see what has changed. */
  readonly watches: boolean;
  /** Whether operations are followed to their end. */
  readonly waits: boolean;
  /** Nothing changes any more. */
  stopWatching(): void;
  resource(type: string, name: string): string;
  vault(name: string): string;
  /** What was done, for a person; not printed where a program reads the result. */
  note(text: string): void;
  /** What was done to a thing, in one line: `The job 'x' is submitted.`; the whole of it for programs. */
  done(thing: string, did: string, value: JsonObject, more?: string): void;
  /** The same for what leaves nothing to show. */
  over(thing: string, did: string): void;
  /** Shows what is under way on a terminal, once it takes longer than a second. */
  progress: Progress;
  settle(label: string, method: string, target: string, body?: JsonObject): Promise<JsonObject>;
  /** Asks before something is lost; `--yes` answers. */
  confirm(question: string): Promise<void>;
  close(): void;
};

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
export const defaultUrl = 'https://localhost:8443';

export async function openContext(options: Options, shell: Shell): Promise<Context> {
  const home = openHome(shell.environment);
  const settings = home.settings();
  const given = (name: string, setting: SettingName, variable?: string) =>
    options.text(name) ?? (variable === undefined ? undefined : shell.environment[variable]) ?? settings[setting];
  const format = textOf(options.peek('output')) ?? (options.has('output') ? settings.output : undefined) ?? 'table';
  if (!isFormat(format))
    throw new UsageError(`'${format}' is remembered as the output, and is none. Forget it: 'config unset output'.`);
  let watches = options.peek('watch') === true;
  const presenter = await createPresenter({
    shell,
    format,
    query: textOf(options.peek('query')),
    watches,
    wide: options.peek('wide') === true,
    used() {
      for (const name of ['output', 'query', 'watch', 'wide']) if (options.has(name)) options.read(name);
    },
  });
  // What commander makes of `--no-wait`.
  const waits = () => !options.has('wait') || options.read('wait') !== false;

  let transport: HttpsTransport | undefined;
  const send = (request: Parameters<HttpsTransport['send']>[0]) => {
    const { caFile } = context;
    transport ??= shell.connect({
      caFile: caFile === undefined ? undefined : resolve(caFile),
      environment: shell.environment,
    });
    return transport.send(request);
  };
  const sessions = createSessions({ home, transport: send, shell });
  let client: Client | undefined;
  const needed = (value: string | undefined, what: string): string => {
    if (value === undefined || value === '') throw new UsageError(what);
    return value;
  };
  const progress = createProgress(shell);
  const verbose = options.flag('verbose');
  const sentence = (thing: string, did: string) => `The ${thing} is ${waits() ? did : `being ${did}`}`;
  const context: Context = {
    ...presenter,
    shell,
    home,
    settings,
    sessions,
    get waits() {
      return waits();
    },
    get watches() {
      return watches;
    },
    stopWatching() {
      watches = false;
    },
    progress,
    get url() {
      const url = (given('url', 'url', 'STRONGROOM_URL') ?? defaultUrl).replace(/\/+$/, '');
      if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
        throw new UsageError(`'${url}' is no address. It looks like ${defaultUrl}.`);
      return url;
    },
    get caFile() {
      return given('caFile', 'ca-file', 'STRONGROOM_CA_FILE');
    },
    get client() {
      const { url } = context;
      client ??= createClient({
        origin: url,
        transport: send,
        token: (audience) => sessions.token(url, audience),
        userAgent: clientName,
        sleep: shell.sleep,
        ...(verbose ? { onExchange: (line: string) => shell.err(`${line}\n`) } : {}),
      });
      return client;
    },
    get subscription() {
      const value = given('subscription', 'subscription');
      if (value === undefined && home.session() === undefined)
        throw new NotSignedIn("Nobody is signed in. Sign in with 'strongroom login'.");
      return needed(
        value,
        "No subscription is known. Give --subscription, or sign in with 'strongroom login', which finds it.",
      );
    },
    get location() {
      return (options.has('location') ? options.text('location') : undefined) ?? settings.location ?? 'local';
    },
    get hasGroup() {
      return given('resourceGroup', 'resource-group') !== undefined;
    },
    get group() {
      return needed(
        given('resourceGroup', 'resource-group'),
        "Which resource group? Give -g NAME, or remember one with 'strongroom config set resource-group NAME'.",
      );
    },
    get groupPath() {
      return groupPath(context.subscription, context.group);
    },
    get hasWorkspace() {
      return given('workspace', 'workspace') !== undefined;
    },
    get workspace() {
      const { subscription, group } = context;
      const name = needed(
        given('workspace', 'workspace'),
        "Which workspace? Give -w NAME, or remember one with 'strongroom config set workspace NAME'.",
      );
      return workspacePaths(resourcePath(subscription, group, workspaceType, name));
    },
    resource: (type, name) => resourcePath(context.subscription, context.group, type, name),
    vault: (name) => vaultOrigin(context.url, name),
    note: (text) => {
      if (!presenter.forProgram) shell.err(`${text}\n`);
    },
    done: (thing, did, value, more) =>
      presenter.say(`${sentence(thing, did)}${more === undefined ? '.' : `: ${more}`}`, value),
    over: (thing, did) => context.note(`${sentence(thing, did)}.`),
    settle: (label, method, target, body) =>
      progress(
        label,
        async (onProgress) =>
          (
            await context.client.settle(method, target, {
              onProgress,
              waits: waits(),
              ...(body === undefined ? {} : { body }),
            })
          ).value,
      ),
    async confirm(question) {
      if (options.flag('yes')) return;
      if (!shell.errIsTerminal) throw new UsageError(`${question} Say so with --yes.`);
      if (!/^y(es)?$/i.test((await shell.ask(`${question} [y/N] `)).trim())) throw new UsageError('Nothing was done.');
    },
    close: () => transport?.close(),
  };
  return context;
}
