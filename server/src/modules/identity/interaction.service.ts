// The sign-in page's two acts: show, and check what was typed. Bound to one browser by the interaction's cookie, and to
// one page by a token that only this server can make. A wrong password shows the page again; it never redirects.

import type { SignInForm } from '@strongroom/contract/identity';
import { errors, type Provider } from 'oidc-provider';
import type { Clock } from '#kernel/clock/clock';
import { constantTimeEqual } from '#kernel/crypto/compare';
import { hmacSha256 } from '#kernel/crypto/digest';
import { randomBytes } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Answer } from '#kernel/http/route';
import type { Devices } from './devices.service.ts';
import { identityFailures } from './identity.errors.ts';
import { failedTriesPage } from './message.page.ts';
import { newPasswordPage } from './new-password.page.ts';
import type { OpenIdHost } from './openid-host.wire.ts';
import { signInPage } from './sign-in.page.ts';
import type { SignIn } from './sign-in.service.ts';
import { writeNote } from './sign-in-note.rules.ts';

export type Interactions = {
  show(exchange: Exchange, uid: string): Promise<Answer>;
  submit(exchange: Exchange, uid: string, form: SignInForm): Promise<Answer>;
};

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

export function createInteractions(deps: {
  readonly host: OpenIdHost;
  readonly signIn: SignIn;
  readonly devices: Devices;
  readonly tenantId: string;
  readonly clock: Clock;
}): Interactions {
  const { host, signIn, devices, tenantId, clock } = deps;
  // Of this process: a page from before a restart is out of date, and says so.
  const csrfKey = randomBytes(32);
  const csrfOf = (uid: string) => Buffer.from(hmacSha256(csrfKey, uid)).toString('base64url');

  /** That the present password was said in this very sign-in, under this generation. Good for choosing another, once. */
  const ticketMac = (uid: string, account: string) =>
    Buffer.from(hmacSha256(csrfKey, `ticket:${uid}:${account}`)).toString('base64url');
  const ticketOf = (uid: string, objectId: string, generation: number) =>
    `${objectId}.${generation}.${ticketMac(uid, `${objectId}.${generation}`)}`;
  function readTicket(uid: string, ticket: string): { readonly objectId: string; readonly generation: number } {
    const [objectId = '', generation = '', mac = ''] = ticket.split('.');
    if (constantTimeEqual(mac, ticketMac(uid, `${objectId}.${generation}`)))
      return { objectId, generation: Number(generation) };
    throw identityFailures.TicketInvalid();
  }

  async function open(exchange: Exchange, uid: string) {
    const entered = await host.enter(exchange, {
      method: 'GET',
      path: `/login/sign-in/${uid}`,
      parameters: [],
      accept: 'html',
    });
    try {
      const interaction = await entered.provider.interactionDetails(entered.request, entered.response);
      if (interaction.uid === uid) return { ...entered, interaction };
    } catch (thrown) {
      if (!(thrown instanceof errors.SessionNotFound)) throw thrown;
    }
    throw identityFailures.SignInExpired();
  }

  /** Browsers hold a form's redirects to its policy, so the client that waits at the end must be in it. */
  const targetsOf = ({ params }: Interaction): readonly string[] =>
    typeof params['redirect_uri'] === 'string' ? [new URL(params['redirect_uri']).origin] : [];
  const actionOf = ({ uid }: Interaction) => `/${tenantId}/login/sign-in/${uid}`;

  const newPassword = (interaction: Interaction, userName: string, ticket: string, wrong?: Failure): Answer =>
    newPasswordPage({
      action: actionOf(interaction),
      csrf: csrfOf(interaction.uid),
      ticket,
      userName,
      formTargets: targetsOf(interaction),
      ...(wrong === undefined ? {} : { wrong: { status: wrong.status, message: wrong.message } }),
    });

  async function pageOf(
    provider: Provider,
    interaction: Interaction,
    again?: { readonly userName: string; readonly status: number; readonly message: string },
  ): Promise<Answer> {
    const { client_id: clientId, login_hint: hint } = interaction.params;
    const client = await provider.Client.find(String(clientId));
    const userName = again?.userName ?? (typeof hint === 'string' ? hint.slice(0, 254) : undefined);
    return signInPage({
      action: actionOf(interaction),
      csrf: csrfOf(interaction.uid),
      clientName: client?.clientName ?? 'an application',
      formTargets: targetsOf(interaction),
      ...(userName === undefined ? {} : { userName }),
      ...(again === undefined ? {} : { wrong: { status: again.status, message: again.message } }),
    });
  }

  /**
   * Another person in the same browser: the session forgets the earlier one and what hung on it. The library would ask for
   * that by a page that submits itself, and our pages run no script.
   */
  async function leaveSession(provider: Provider, interaction: Interaction, accountId: string): Promise<void> {
    const earlier = interaction.session;
    if (earlier?.accountId === undefined || earlier.accountId === accountId) return;
    const session = await provider.Session.findByUid(earlier.uid);
    if (session === undefined) return;
    delete session.accountId;
    delete session.authorizations;
    await session.persist();
    const { accountId: _left, ...rest } = earlier;
    // The library's type knows no session without an account; its code does, before anybody signs in.
    interaction.session = rest as typeof earlier;
    await interaction.persist();
  }

  return {
    async show(exchange, uid) {
      const { provider, interaction } = await open(exchange, uid);
      return await pageOf(provider, interaction);
    },
    async submit(exchange, uid, form) {
      const { provider, interaction, request, response } = await open(exchange, uid);
      if (!constantTimeEqual(form.csrf, csrfOf(uid))) throw identityFailures.CsrfTokenInvalid();
      const finish = (result: Parameters<Provider['interactionResult']>[2]): Promise<string> =>
        provider.interactionResult(request, response, result, { mergeWithLastSubmission: false });
      const signedIn = async (objectId: string, generation: number): Promise<string> => {
        await leaveSession(provider, interaction, objectId);
        const ts = Math.floor(clock.epochMs() / 1000);
        const login = {
          accountId: objectId,
          acr: writeNote(generation, exchange.address),
          amr: ['pwd'],
          remember: false,
          ts,
        };
        return await finish({ login });
      };
      if (form.cancel !== undefined)
        return seeOther(await finish({ error: 'access_denied', error_description: 'The sign-in was cancelled.' }));
      const { userName = '', password = '' } = form;
      if (form.act === 'changePassword') {
        const proved = readTicket(uid, form.ticket ?? '');
        try {
          if (form.newPassword !== form.newPasswordAgain) throw identityFailures.passwordsDiffer();
          const generation = await signIn.choosePassword(proved, form.newPassword ?? '');
          return seeOther(await signedIn(proved.objectId, generation));
        } catch (thrown) {
          if (!(thrown instanceof Failure) || thrown.code !== 'InvalidPassword') throw thrown;
          return newPassword(interaction, userName, form.ticket ?? '', thrown);
        }
      }
      const cookies = exchange.header('cookie');
      try {
        const proved = await signIn.verify({
          userName,
          password,
          address: exchange.address,
          deviceOf: (objectId) => devices.find(cookies, objectId),
        });
        const { objectId, generation, mustChange, failedElsewhere } = proved;
        const remembered = devices.remember(cookies, objectId);
        // Beside the cookies that the library sets itself.
        if (remembered !== undefined) exchange.raw.response.appendHeader('set-cookie', remembered);
        if (mustChange) return newPassword(interaction, userName, ticketOf(uid, objectId, generation));
        const location = await signedIn(objectId, generation);
        if (failedElsewhere === undefined) return seeOther(location);
        return failedTriesPage(failedElsewhere.count, failedElsewhere.lastAt, location);
      } catch (thrown) {
        if (!(thrown instanceof Failure) || (thrown.kind !== 'unauthenticated' && thrown.kind !== 'throttled'))
          throw thrown;
        const { status, message, retryAfterSeconds } = thrown;
        const answer = await pageOf(provider, interaction, { userName, status, message });
        if (retryAfterSeconds === undefined) return answer;
        return { ...answer, headers: { ...answer.headers, 'retry-after': String(retryAfterSeconds) } };
      }
    },
  };
}

const seeOther = (location: string): Answer => ({ status: 303, headers: { location } });
