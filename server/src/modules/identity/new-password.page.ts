// The page where a person chooses another password, before anything is issued, because an administrator said so.

import { html, type Page, page } from './frame.page.ts';

export function newPasswordPage(options: {
  readonly action: string;
  readonly csrf: string;
  /** Says that the present password was given. */
  readonly ticket: string;
  readonly userName: string;
  readonly wrong?: { readonly status: number; readonly message: string };
  readonly formTargets: readonly string[];
}): Page {
  const { action, csrf, ticket, userName, wrong, formTargets } = options;
  return page({
    status: wrong?.status ?? 200,
    title: 'Choose a new password',
    formTargets,
    body: html`<h1>Choose a new password</h1>
<p><strong>${userName}</strong> has a password that somebody else knows. From now on only you should.</p>
${wrong !== undefined && html`<div class="wrong" role="alert" id="wrong">${wrong.message}</div>`}
<form method="post" action="${action}">
<input type="hidden" name="csrf" value="${csrf}">
<input type="hidden" name="act" value="changePassword">
<input type="hidden" name="ticket" value="${ticket}">
<input type="hidden" name="userName" value="${userName}">
<label for="newPassword">New password</label>
<input id="newPassword" name="newPassword" type="password" autocomplete="new-password" maxlength="1024" required autofocus ${wrong !== undefined && html`aria-describedby="wrong"`}>
<label for="newPasswordAgain">The same once more</label>
<input id="newPasswordAgain" name="newPasswordAgain" type="password" autocomplete="new-password" maxlength="1024" required>
<div class="actions">
<button type="submit">Continue</button>
<button class="plain" type="submit" name="cancel" value="yes" formnovalidate>Cancel</button>
</div>
</form>`,
    note: 'At least 12 characters, and none of the passwords that everybody tries. A few random words make a good one.',
  });
}
