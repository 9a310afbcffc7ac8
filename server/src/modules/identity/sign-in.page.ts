// The page where a person types a user name and a password. Plain HTML: it works without scripts, with a keyboard and
// with a screen reader, and says what went wrong above the form.

import { html, type Page, page } from './frame.page.ts';

export function signInPage(options: {
  readonly action: string;
  readonly csrf: string;
  readonly clientName: string;
  readonly userName?: string;
  readonly wrong?: { readonly status: number; readonly message: string };
  /** Where signing in leads in the end. */
  readonly formTargets: readonly string[];
}): Page {
  const { action, csrf, clientName, userName, wrong, formTargets } = options;
  return page({
    status: wrong?.status ?? 200,
    title: 'Sign in',
    formTargets,
    note: 'Check that the address of this page is the one of your own server before you type a password.',
    body: html`<h1>Sign in</h1>
<p>to continue to <strong>${clientName}</strong></p>
${wrong !== undefined && html`<div class="wrong" role="alert" id="wrong">${wrong.message}</div>`}
<form method="post" action="${action}">
<input type="hidden" name="csrf" value="${csrf}">
<label for="userName">User name</label>
<input id="userName" name="userName" type="email" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="254" required ${userName === undefined && html`autofocus`} value="${userName ?? ''}" placeholder="name@strongroom.local" ${wrong !== undefined && html`aria-describedby="wrong"`}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required ${userName !== undefined && html`autofocus`}>
<div class="actions">
<button type="submit">Sign in</button>
<button class="plain" type="submit" name="cancel" value="yes" formnovalidate>Cancel</button>
</div>
</form>`,
  });
}
