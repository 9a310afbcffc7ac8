// The pages of the device flow: type the code, compare it, done. The middle page is what protects a person whom somebody
// talks into typing a stranger's code, so it says plainly what is about to be allowed, and to whom.

import { html, type Page, page } from './frame.page.ts';

export function codePage(options: {
  readonly action: string;
  readonly xsrf: string;
  readonly userCode?: string;
  readonly wrong?: { readonly status: number; readonly message: string };
}): Page {
  const { action, xsrf, userCode = '', wrong } = options;
  return page({
    status: wrong?.status ?? 200,
    title: 'Enter code',
    note: 'Only enter a code that you asked for yourself, on a device in front of you.',
    body: html`<h1>Enter code</h1>
<p>Type the code that your device or command line shows.</p>
${wrong !== undefined && html`<div class="wrong" role="alert" id="wrong">${wrong.message}</div>`}
<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${xsrf}">
<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" type="text" autocomplete="off" autocapitalize="characters" spellcheck="false" maxlength="32" required autofocus value="${userCode}" placeholder="XXXX-XXXX" ${wrong !== undefined && html`aria-describedby="wrong"`}>
<div class="actions"><button type="submit">Next</button></div>
</form>`,
  });
}

export function confirmPage(options: {
  readonly action: string;
  readonly xsrf: string;
  readonly userCode: string;
  readonly clientName: string;
  readonly address: string | undefined;
  readonly userAgent: string | undefined;
}): Page {
  const { action, xsrf, userCode, clientName, address, userAgent } = options;
  return page({
    title: 'Confirm sign-in',
    note: 'If somebody sent you this code, choose Deny: they would act under your name.',
    body: html`<h1>Is this your device?</h1>
<p><strong>${clientName}</strong> asks to sign in with your account. The same code must be shown there:</p>
<div class="shown">${userCode}</div>
<dl>
<dt>Asked from</dt><dd>${address ?? 'unknown'}</dd>
${(userAgent ?? '') !== '' && html`<dt>Program</dt><dd>${userAgent?.slice(0, 120)}</dd>`}
</dl>
<form method="post" action="${action}">
<input type="hidden" name="xsrf" value="${xsrf}">
<input type="hidden" name="user_code" value="${userCode}">
<div class="actions">
<button type="submit" name="confirm" value="yes">Continue</button>
<button class="plain" type="submit" name="abort" value="yes">Deny</button>
</div>
</form>`,
  });
}

export const donePage = (clientName: string): Page =>
  page({
    title: 'Signed in',
    body: html`<h1 class="good">You are signed in</h1>
<p><strong>${clientName}</strong> has what it needs. You can close this page and go back to it.</p>`,
  });
