// The frame of every page of sign-in: one style sheet, nothing from elsewhere, and no script but the one line that
// sends the last form of `form_post`. Whoever answers with a page (pages.wire.ts) allows exactly these. Everything that is put into a page goes through `html`, which escapes it.

export type Markup = { readonly markup: string };

/** A page that is ready, and what it needs to be shown. */
export type Page = {
  readonly status: number;
  readonly markup: string;
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
  /** Origins, besides our own, that a form's redirect may lead to. */
  readonly formTargets: readonly string[];
};

type Part = string | number | Markup | undefined | false | readonly Markup[];

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function shown(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number')
    return String(part).replace(/[&<>"']/g, (found) => escapes[found] ?? '');
  return 'markup' in part ? part.markup : part.map((one) => one.markup).join('');
}

/** A template whose holes are escaped, unless they hold markup made by this very function. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return { markup: strings.map((text, at) => text + (at < parts.length ? shown(parts[at]) : '')).join('') };
}

const style = `
:root { color-scheme: light dark; --ground: #eef1f5; --card: #ffffff; --ink: #17202b; --quiet: #566373; --line: #c4ccd6;
  --accent: #1c5fa8; --accent-ink: #ffffff; --wrong: #a3211b; --wrong-ground: #fdeeed; --good: #1b6b3a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0f141a; --card: #1a2129; --ink: #e8edf3; --quiet: #a3b0bf;
  --line: #3d4957; --accent: #6db1f2; --accent-ink: #0c1520; --wrong: #ffb3ad; --wrong-ground: #3a1b1a; --good: #7fd6a0; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; align-items: center; justify-content: center;
  gap: 1.25rem; padding: 1.5rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { width: 100%; max-width: 26rem; padding: 2.25rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; box-shadow: 0 1px 2px rgb(0 0 0 / .06), 0 12px 32px rgb(0 0 0 / .07); }
header { display: flex; align-items: center; gap: .625rem; margin-bottom: 1.75rem; color: var(--quiet); font-weight: 600;
  letter-spacing: .01em; }
header svg { width: 1.5rem; height: 1.5rem; color: var(--accent); flex: none; }
h1 { margin: 0 0 .375rem; font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
p { margin: 0 0 1.25rem; color: var(--quiet); }
p strong, dd { color: var(--ink); }
label { display: block; margin-bottom: .375rem; font-size: .9rem; font-weight: 600; }
input { width: 100%; margin-bottom: 1.125rem; padding: .65rem .75rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--line); border-radius: .4rem; }
input.code { font-family: ui-monospace, "Cascadia Mono", Menlo, monospace; font-size: 1.35rem; letter-spacing: .12em;
  text-transform: uppercase; text-align: center; }
input:focus-visible, button:focus-visible, a.button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-color: transparent; }
/* Reversed: the first button of a form is what Enter presses, and that must never be the one that cancels. */
.actions { display: flex; flex-flow: row-reverse wrap; gap: .75rem; margin-top: .5rem; }
button, a.button { flex: 1; text-align: center; text-decoration: none; white-space: nowrap; padding: .7rem 1rem; font: inherit; font-weight: 600; border-radius: .4rem; cursor: pointer;
  border: 1px solid var(--accent); background: var(--accent); color: var(--accent-ink); }
button:hover, a.button:hover { filter: brightness(1.08); }
button.plain { background: transparent; color: var(--ink); border-color: var(--line); }
.wrong { margin-bottom: 1.25rem; padding: .7rem .85rem; color: var(--wrong); background: var(--wrong-ground);
  border-left: 3px solid currentColor; border-radius: .25rem; }
.good { color: var(--good); }
.shown { margin: 0 0 1.25rem; padding: .75rem; text-align: center; font: 600 1.6rem/1.2 ui-monospace, "Cascadia Mono", Menlo, monospace;
  letter-spacing: .12em; border: 1px dashed var(--line); border-radius: .4rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0 0 1.25rem; font-size: .9rem; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 24rem) { body { padding: 1rem; } main { padding: 1.5rem; } }
footer { max-width: 26rem; color: var(--quiet); font-size: .8rem; text-align: center; overflow-wrap: anywhere; }
`;

const sendForm = 'document.forms[0].submit()';

const mark = html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="3" y="3" width="18" height="18" rx="3"/><circle cx="12" cy="12" r="4.5"/><path d="M12 7.5V5.5M12 18.5v-2M7.5 12h-2M18.5 12h-2"/></svg>`;

/** `furtherStyle`: what a page of another kind adds to the style sheet. */
export function page(options: {
  readonly status?: number;
  readonly title: string;
  readonly body: Markup;
  readonly note?: string;
  readonly formTargets?: readonly string[];
  readonly furtherStyle?: string;
  /** With the one script there is: it sends the page's form, which holds what the server put there. */
  readonly sendsItself?: true;
}): Page {
  const { status = 200, title, body, note, formTargets = [], furtherStyle, sendsItself } = options;
  const { markup } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Strongroom</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<style>${{ markup: style }}</style>
${furtherStyle !== undefined && html`<style>${{ markup: furtherStyle }}</style>`}
</head>
<body>
<main>
<header>${mark}<span>Strongroom</span></header>
${body}
</main>
${note !== undefined && html`<footer>${note}</footer>`}
${sendsItself === true && html`<script>${{ markup: sendForm }}</script>`}
</body>
</html>
`;
  return {
    status,
    markup,
    styles: [style, furtherStyle ?? []].flat(),
    scripts: sendsItself === true ? [sendForm] : [],
    formTargets,
  };
}
