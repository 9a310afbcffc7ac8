// What every command works with: the options that all share, the client, and how to answer. Made once a command runs; nothing
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
import type { Command } from 'commander';
import { NotSignedIn, UsageError } from './exit.ts';
import { type Home, openHome, type SettingName, type Settings } from './home.ts';
import { type Columns, json, sheet, table } from './output.ts';
import { createSessions } from './session.ts';
import type { Shell } from './shell.ts';
import { createTransport, type HttpsTransport } from './transport.ts';

export type Context = {
  readonly shell: Shell;
  readonly home: Home;
  readonly settings: Settings;
  readonly url: string;
  readonly caFile: string | undefined;
  readonly transport: HttpsTransport;
  readonly sessions: ReturnType<typeof createSessions>;
  readonly client: Client;
  readonly yes: boolean;
  readonly asJson: boolean;
  readonly subscription: string;
  readonly location: string;
  /** Whether a resource group is given or remembered. */
  readonly hasGroup: boolean;
  /** A name of a resource group: of the option, else the remembered one. */
  readonly group: string;
  readonly groupPath: string;
  readonly workspace: WorkspacePaths;
  resource(type: string, name: string): string;
  vault(name: string): string;
  list(rows: readonly unknown[], columns: Columns): void;
  show(value: unknown): void;
  /** What was done, for a person; not printed where JSON is asked for. */
  note(text: string): void;
  /** Shows what is under way on a terminal, once it takes longer than a second. */
  progress<T>(label: string, act: (update: (status: string) => void) => Promise<T>): Promise<T>;
  settle(label: string, method: string, target: string, body?: JsonObject): Promise<JsonObject>;
  /** Asks before something is lost; `--yes` answers. */
  confirm(question: string): Promise<void>;
  close(): void;
};

export const defaultUrl = 'https://localhost:8443';
const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧'];

export function openContext(command: Command, shell: Shell): Context {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  const option = (name: string): string | undefined => (typeof options[name] === 'string' ? options[name] : undefined);
  const home = openHome(shell.environment);
  const settings = home.settings();
  const given = (name: string, setting: SettingName, variable?: string) =>
    option(name) ?? (variable === undefined ? undefined : shell.environment[variable]) ?? settings[setting];
  const url = (given('url', 'url', 'STRONGROOM_URL') ?? defaultUrl).replace(/\/+$/, '');
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UsageError(`'${url}' is no address. It looks like ${defaultUrl}.`);
  const caFile = given('caFile', 'ca-file', 'STRONGROOM_CA_FILE');
  const format = given('output', 'output') ?? 'table';
  const asJson = format === 'json';
  let transport: HttpsTransport | undefined;
  const transportNow = () =>
    (transport ??= createTransport({ caFile: caFile === undefined ? undefined : resolve(caFile) }));
  const sessions = createSessions({ home, transport: (request) => transportNow().send(request), shell });
  const client = createClient({
    origin: url,
    transport: (request) => transportNow().send(request),
    token: (audience) => sessions.token(url, audience),
    userAgent: 'strongroom-cli',
    sleep: shell.sleep,
    ...(options['verbose'] === true ? { onExchange: (line: string) => shell.err(`${line}\n`) } : {}),
  });
  const needed = (value: string | undefined, what: string): string => {
    if (value === undefined || value === '') throw new UsageError(what);
    return value;
  };
  const context: Context = {
    shell,
    home,
    settings,
    url,
    caFile,
    get transport() {
      return transportNow();
    },
    sessions,
    client,
    yes: options['yes'] === true,
    asJson,
    get subscription() {
      const value = given('subscription', 'subscription');
      if (value === undefined && home.session() === undefined)
        throw new NotSignedIn("Nobody is signed in. Sign in with 'strongroom login'.");
      return needed(
        value,
        "No subscription is known. Give --subscription, or sign in with 'strongroom login', which finds it.",
      );
    },
    location: option('location') ?? settings.location ?? 'local',
    hasGroup: given('resourceGroup', 'resource-group') !== undefined,
    get group() {
      return needed(
        given('resourceGroup', 'resource-group'),
        "Which resource group? Give -g NAME, or remember one with 'strongroom config set resource-group NAME'.",
      );
    },
    get groupPath() {
      return groupPath(context.subscription, context.group);
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
    vault: (name) => vaultOrigin(url, name),
    list: (rows, columns) => shell.out(asJson ? json(rows) : table(rows, columns)),
    show: (value) => shell.out(asJson ? json(value) : sheet(value)),
    note: (text) => {
      if (!asJson) shell.err(`${text}\n`);
    },
    async progress(label, act) {
      if (!shell.errIsTerminal) return await act(() => undefined);
      let status = '';
      let frame = 0;
      let shown = false;
      const begun = shell.now();
      const timer = setInterval(() => {
        if (shell.now() - begun < 1000) return;
        shown = true;
        shell.err(
          `\r\u001b[K${frames[frame++ % frames.length]} ${label}${status === '' ? '' : `: ${status}`} (${Math.round((shell.now() - begun) / 1000)} s)`,
        );
      }, 120);
      try {
        return await act((next) => {
          status = next;
        });
      } finally {
        clearInterval(timer);
        if (shown) shell.err('\r\u001b[K');
      }
    },
    settle: (label, method, target, body) =>
      context.progress(
        label,
        async (onProgress) =>
          (await client.settle(method, target, { onProgress, ...(body === undefined ? {} : { body }) })).value,
      ),
    async confirm(question) {
      if (context.yes) return;
      if (!shell.errIsTerminal) throw new UsageError(`${question} Say so with --yes.`);
      if (!/^y(es)?$/i.test((await shell.ask(`${question} [y/N] `)).trim())) throw new UsageError('Nothing was done.');
    },
    close: () => transport?.close(),
  };
  return context;
}
