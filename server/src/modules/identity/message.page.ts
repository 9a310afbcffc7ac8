// A page with one message: an error in words, or the end of a session.

import { html, type Page, page } from './frame.page.ts';

export const errorPage = (status: number, message: string, requestId: string): Page =>
  page({
    status,
    title: 'Something is not right',
    body: html`<h1>This did not work</h1>
<div class="wrong" role="alert">${message}</div>
<p>Go back to the program that sent you here and begin again.</p>`,
    note: `Request ${requestId}`,
  });

/** After the password was right: tries by others that were not. */
export const failedTriesPage = (count: number, lastAt: Date, leadsTo: string): Page =>
  page({
    title: 'Failed sign-ins',
    body: html`<h1>Somebody tried your password</h1>
<p>Since you signed in the last time, <strong>${count === 1 ? 'one sign-in' : `${count} sign-ins`}</strong> to this account failed, the last at
<strong>${lastAt.toISOString().slice(0, 16).replace('T', ' ')} UTC</strong>. Nobody got in by that. If it was not you, tell your administrator.</p>
<div class="actions"><a class="button" href="${leadsTo}">Continue</a></div>`,
  });

/**
 * Carries the answer to the program that waits, in a form that sends itself (OAuth 2.0 Form Post Response Mode). Without scripts
 * a person presses the button.
 */
export const formPostPage = (action: string, inputs: Readonly<Record<string, unknown>>): Page =>
  page({
    title: 'error' in inputs ? 'Not signed in' : 'Signed in',
    formTargets: [new URL(action).origin],
    sendsItself: true,
    body: html`<h1>${'error' in inputs ? 'You are not signed in' : 'You are signed in'}</h1>
<p>The program that asked is told now.</p>
<form method="post" action="${action}">
${Object.entries(inputs).map(([name, value]) => html`<input type="hidden" name="${name}" value="${String(value)}">`)}
<div class="actions"><button type="submit">Continue</button></div>
</form>`,
  });

export const signOutPage = (action: string, xsrf: string, formTargets: readonly string[]): Page =>
  page({
    title: 'Sign out',
    formTargets,
    body: html`<h1>Sign out?</h1>
<p>This browser will ask for your password the next time. Programs that you signed in keep their own session.</p>
<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${xsrf}">
<div class="actions">
<button type="submit" name="logout" value="yes">Sign out</button>
<button class="plain" type="submit">Stay</button>
</div>
</form>`,
  });

export const signedOutPage = (): Page =>
  page({ title: 'Signed out', body: html`<h1>You are signed out</h1><p>You can close this page.</p>` });
