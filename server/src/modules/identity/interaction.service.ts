// The sign-in page's two acts: show, and check what was typed. Bound to one browser by the interaction's cookie, and to
// one page by a token that only this server can make. A wrong password shows the page again; it never redirects.

import type { SignInForm } from '@strongroom/contract/identity';
import type { Clock } from '#kernel/clock/clock';
import { constantTimeEqual } from '#kernel/crypto/compare';
import { hmacSha256 } from '#kernel/crypto/digest';
import { randomBytes } from '#kernel/crypto/random';
import { Failure } from '#kernel/errors/failure';
import type { Devices } from './devices.service.ts';
import type { Page } from './frame.page.ts';
import { identityFailures } from './identity.errors.ts';
import { failedTriesPage } from './message.page.ts';
import { newPasswordPage } from './new-password.page.ts';
import type { Next, PendingSignIn, Visit } from './openid.types.ts';
import { signInPage } from './sign-in.page.ts';
import type { SignIn } from './sign-in.service.ts';
import { writeNote } from './sign-in-note.rules.ts';

export type Interactions = {
  show(visit: Visit, uid: string): Promise<Next>;
  submit(visit: Visit, uid: string, form: SignInForm): Promise<Next>;
};

export function createInteractions(deps: {
  readonly signIn: SignIn;
  readonly devices: Devices;
  readonly tenantId: string;
  readonly clock: Clock;
}): Interactions {
  const { signIn, devices, tenantId, clock } = deps;
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

  async function pending(visit: Visit, uid: string): Promise<PendingSignIn> {
    const found = await visit.pendingSignIn(uid);
    if (found === undefined) throw identityFailures.SignInExpired();
    return found;
  }

  /** Browsers hold a form's redirects to its policy, so the client that waits at the end must be in it. */
  const targetsOf = ({ redirectUri }: PendingSignIn): readonly string[] =>
    redirectUri === undefined ? [] : [new URL(redirectUri).origin];
  const actionOf = ({ uid }: PendingSignIn) => `/${tenantId}/login/sign-in/${uid}`;

  const newPassword = (waiting: PendingSignIn, userName: string, ticket: string, wrong?: Failure): Next => ({
    page: newPasswordPage({
      action: actionOf(waiting),
      csrf: csrfOf(waiting.uid),
      ticket,
      userName,
      formTargets: targetsOf(waiting),
      ...(wrong === undefined ? {} : { wrong: { status: wrong.status, message: wrong.message } }),
    }),
  });

  async function pageOf(
    waiting: PendingSignIn,
    again?: { readonly userName: string; readonly status: number; readonly message: string },
  ): Promise<Page> {
    const userName = again?.userName ?? waiting.loginHint?.slice(0, 254);
    return signInPage({
      action: actionOf(waiting),
      csrf: csrfOf(waiting.uid),
      clientName: (await waiting.clientName()) ?? 'an application',
      formTargets: targetsOf(waiting),
      ...(userName === undefined ? {} : { userName }),
      ...(again === undefined ? {} : { wrong: { status: again.status, message: again.message } }),
    });
  }

  return {
    async show(visit, uid) {
      return { page: await pageOf(await pending(visit, uid)) };
    },
    async submit(visit, uid, form) {
      const waiting = await pending(visit, uid);
      if (!constantTimeEqual(form.csrf, csrfOf(uid))) throw identityFailures.CsrfTokenInvalid();
      const signedIn = async (objectId: string, generation: number): Promise<string> => {
        await waiting.leaveSession(objectId);
        const ts = Math.floor(clock.epochMs() / 1000);
        const login = {
          accountId: objectId,
          acr: writeNote(generation, visit.address),
          amr: ['pwd'],
          remember: false,
          ts,
        };
        return await waiting.finish({ login });
      };
      if (form.cancel !== undefined)
        return seeOther(
          await waiting.finish({ error: 'access_denied', error_description: 'The sign-in was cancelled.' }),
        );
      const { userName = '', password = '' } = form;
      if (form.act === 'changePassword') {
        const proved = readTicket(uid, form.ticket ?? '');
        try {
          if (form.newPassword !== form.newPasswordAgain) throw identityFailures.passwordsDiffer();
          const generation = await signIn.choosePassword(proved, form.newPassword ?? '');
          return seeOther(await signedIn(proved.objectId, generation));
        } catch (thrown) {
          if (!(thrown instanceof Failure) || thrown.code !== 'InvalidPassword') throw thrown;
          return newPassword(waiting, userName, form.ticket ?? '', thrown);
        }
      }
      const { cookies } = visit;
      try {
        const proved = await signIn.verify({
          userName,
          password,
          address: visit.address,
          deviceOf: (objectId) => devices.find(cookies, objectId),
        });
        const { objectId, generation, mustChange, failedElsewhere } = proved;
        const remembered = devices.remember(cookies, objectId);
        if (remembered !== undefined) visit.keepCookie(remembered);
        if (mustChange) return newPassword(waiting, userName, ticketOf(uid, objectId, generation));
        const location = await signedIn(objectId, generation);
        if (failedElsewhere === undefined) return seeOther(location);
        return { page: failedTriesPage(failedElsewhere.count, failedElsewhere.lastAt, location) };
      } catch (thrown) {
        if (!(thrown instanceof Failure) || (thrown.kind !== 'unauthenticated' && thrown.kind !== 'throttled'))
          throw thrown;
        const { status, message, retryAfterSeconds } = thrown;
        return { page: await pageOf(waiting, { userName, status, message }), retryAfterSeconds };
      }
    },
  };
}

const seeOther = (to: string): Next => ({ to });
