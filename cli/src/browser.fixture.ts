// For tests: as much of a browser as a sign-in needs. Cookies by path, redirects, and the one form of a page.

import { readFileSync } from 'node:fs';
import { request } from 'node:https';

type Page = { readonly url: string; readonly text: string };

/** Signs a person in on the page of a device code, and answers the text of the last page. */
export async function confirmDevice(options: {
  readonly page: string;
  readonly caFile: string;
  readonly userCode: string;
  readonly userName: string;
  readonly password: string;
}): Promise<string> {
  const { caFile, userCode, userName, password } = options;
  const ca = readFileSync(caFile);
  const cookies = new Map<string, { readonly value: string; readonly path: string }>();

  const open = (url: string, form?: Readonly<Record<string, string>>): Promise<Page> =>
    new Promise((resolve, reject) => {
      const { pathname } = new URL(url);
      const fitting = [...cookies].filter(([, { path }]) => path === '/' || pathname.startsWith(path));
      const outgoing = request(
        url,
        {
          ca,
          method: form === undefined ? 'GET' : 'POST',
          headers: {
            ...(fitting.length === 0
              ? {}
              : { cookie: fitting.map(([name, { value }]) => `${name}=${value}`).join('; ') }),
            ...(form === undefined
              ? {}
              : { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(url).origin }),
          },
        },
        (incoming) => {
          for (const line of incoming.headers['set-cookie'] ?? []) {
            const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
            if (value === '') cookies.delete(name);
            else cookies.set(name, { value, path: /; *path=([^;]*)/i.exec(line)?.[1] ?? '/' });
          }
          const { location } = incoming.headers;
          let text = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            text += chunk;
          });
          incoming.on('end', () => resolve(location === undefined ? { url, text } : open(new URL(location, url).href)));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(form === undefined ? undefined : new URLSearchParams(form).toString());
    });

  const submit = (page: Page, fields: Readonly<Record<string, string>>): Promise<Page> => {
    const unescaped = (text: string) =>
      text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
    const action = unescaped(/<form method="post" action="([^"]*)"/.exec(page.text)?.[1] ?? '');
    const hidden = [...page.text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)];
    const held = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, unescaped(value)]));
    return open(new URL(action, page.url).href, { ...held, ...fields });
  };

  const code = await open(options.page);
  const confirm = await submit(code, { user_code: userCode });
  const signIn = await submit(confirm, { confirm: 'yes' });
  return (await submit(signIn, { userName, password })).text;
}
