// The pages themselves. They hold what the server says of itself and names out of the address that was opened; a name is
// taken only where it is one, because people copy these lines into a shell.

import { html, type Markup, type Page, page } from '#identity';
import type { Failure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Anchor, Trust } from '#kernel/http/trust';

/** Browsers ask for HTML by name; programs take anything, or JSON. */
export const wantsPage = (exchange: Exchange): boolean => /\btext\/html\b/i.test(exchange.header('accept') ?? '');

const style = `
main { max-width: 46rem; }
h2 { margin: 2rem 0 .375rem; font-size: 1.05rem; font-weight: 650; }
pre { margin: 0 0 1.25rem; padding: .85rem 1rem; background: var(--ground); border: 1px solid var(--line);
  border-radius: .4rem; font: .85rem/1.6 ui-monospace, "Cascadia Mono", Menlo, monospace; color: var(--ink);
  white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { font-size: 1em; }
pre span { display: block; padding-left: 2ch; text-indent: -2ch; }
main > :last-child { margin-bottom: 0; }
code { font-family: ui-monospace, "Cascadia Mono", Menlo, monospace; font-size: .9em; color: var(--ink); }
dd.print { font: .8rem/1.6 ui-monospace, "Cascadia Mono", Menlo, monospace; }
a { color: var(--accent); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: .2rem; }
a.go { display: inline-block; padding: .6rem 1.1rem; font-weight: 600; text-decoration: none;
  border: 1px solid var(--accent); border-radius: .4rem; background: var(--accent); color: var(--accent-ink); }
a.go:hover { filter: brightness(1.08); }
@media (max-width: 30rem) { main { padding: 1.5rem; } dl { grid-template-columns: 1fr; } dt { margin-top: .5rem; } }
`;

/** A line that is broken goes on indented: one sees where the next one begins. */
const lines = (...text: readonly string[]): Markup =>
  html`<pre><code>${text.map((line) => html`<span>${line}</span>`)}</code></pre>`;

const day = (date: Date) => date.toISOString().slice(0, 10);
const devicePath = '/organizations/login/device';

export function landingPage(version: string, trust: Trust, exchange: Exchange): Page {
  const { origin, host } = exchange.target;
  const [anchor] = trust.anchors;
  const outside = trust.issuerOf(host.replace(/:\d+$/, ''));
  return page({
    title: 'Welcome',
    furtherStyle: style,
    note: `Strongroom ${version} at ${host}`,
    body: html`<h1>A Strongroom answers here</h1>
<p>A machine-learning platform on somebody's own machines. Azure Machine Learning's public clients, MLflow and the command line work
with it; pages to look around in are not there yet.</p>
<h2>Sign in</h2>
<p>A program that signs you in shows a code and sends you here to type it.</p>
<a class="go" href="${devicePath}">I have a code</a>
<h2>Trust</h2>
${outside === undefined ? ownTrust(trust.anchors) : outsideTrust(outside, trust.anchors)}
<h2>Command line</h2>
${lines(
  outside === undefined && anchor !== undefined
    ? `strongroom login --url ${origin} --ca-fingerprint ${anchor.fingerprint}`
    : `strongroom login --url ${origin}`,
  'strongroom config set resource-group GROUP',
  'strongroom config set workspace WORKSPACE',
  'strongroom job list',
)}
<h2>MLflow</h2>
${lines(
  `export MLFLOW_TRACKING_URI=${origin}/mlflow/v2.0/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.MachineLearningServices/workspaces/WORKSPACE`,
  'export MLFLOW_TRACKING_TOKEN=$(strongroom token)',
  ...(outside === undefined ? ['export MLFLOW_TRACKING_SERVER_CERT_PATH=ca.pem'] : []),
)}
<h2>Azure SDK</h2>
${lines(
  ...(outside === undefined ? ['// NODE_EXTRA_CA_CERTS=ca.pem'] : []),
  `new ClientSecretCredential(tenantId, clientId, clientSecret, { authorityHost: '${origin}' })`,
  `new AzureMachineLearningServicesManagementClient(credential, subscriptionId, { endpoint: '${origin}' })`,
)}`,
  });
}

const download = html`<p><a href="/ca.pem" download="ca.pem">Download ca.pem</a></p>`;
const prints = (anchors: readonly Anchor[]): Markup =>
  html`<dl>${anchors.map(
    ({ name, fingerprint, notAfter }) => html`<dt>Authority</dt><dd>${name}</dd>
<dt>Valid until</dt><dd>${day(notAfter)}</dd>
<dt>SHA-256</dt><dd class="print">${fingerprint}</dd>`,
  )}</dl>`;

const ownTrust = (
  anchors: readonly Anchor[],
): Markup => html`<p>The certificate of this address was issued by the server's own
authority. A page cannot vouch for itself: compare this fingerprint with the one that the server printed when it started, or ask
whoever runs it.</p>${prints(anchors)}${download}`;

const outsideTrust = (
  issuer: string,
  anchors: readonly Anchor[],
): Markup => html`<p>The certificate of this address was issued
by <strong>${issuer}</strong>. If your machine trusts that, there is nothing to do. The server's other names, of vaults and storage
accounts for one, may have certificates of its own authority.</p>${prints(anchors)}${download}`;

/** Names that need no quotes in any shell. */
const plain = /^[A-Za-z0-9][\w.-]{0,254}$/;
const place = ({ group, workspace }: Place): string => {
  const given = (name: string | undefined, other: string) => (name !== undefined && plain.test(name) ? name : other);
  return `-g ${given(group, 'GROUP')} -w ${given(workspace, 'WORKSPACE')}`;
};
export type Place = { readonly group?: string | undefined; readonly workspace?: string | undefined };

/** Where a job's Studio link leads. It says nothing of the job: whoever opens it is not known. */
export const jobPage = (name: string, at: Place): Page =>
  page({
    title: `Job ${name}`,
    furtherStyle: style,
    body: html`<h1>Job ${name}</h1>
<p>This is where a job's own page will be. Until there is one, the command line shows it, to those who may see it.</p>
${lines(`strongroom job show ${name} ${place(at)}`, `strongroom job stream ${name} ${place(at)}`)}
<p><a href="/">What is this server?</a></p>`,
  });

/** `…/#/experiments/3/runs/ID`, as MLflow's client prints it: what stands behind the # never reaches the server. */
export const runsPage = (at: Place): Page =>
  page({
    title: 'Experiments',
    furtherStyle: style,
    body: html`<h1>Experiments of a workspace</h1>
<p>This is where MLflow's pages would be. Strongroom serves MLflow's protocol, not its pages; the address that you opened ends with the
number of an experiment and the id of a run. With them:</p>
${lines('mlflow runs describe --run-id RUN', 'mlflow runs list --experiment-id EXPERIMENT')}
<p>And the jobs of this workspace:</p>
${lines(`strongroom job list ${place(at)}`)}
<p><a href="/">What is this server, and how do I sign in?</a></p>`,
  });

export const messagePage = (failure: Failure, { requestId }: Exchange): Page =>
  page({
    status: failure.status,
    title: 'Not here',
    furtherStyle: style,
    body: html`<h1>There is nothing here</h1>
<div class="wrong" role="alert">${failure.message}</div>
<p><a href="/">What is this server?</a></p>`,
    note: `Request ${requestId}`,
  });

/** The mark of the sign-in pages, readable on a light and on a dark tab. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#1c5fa8" stroke-width="2"><style>@media (prefers-color-scheme: dark) { svg { stroke: #6db1f2 } }</style><rect x="3" y="3" width="18" height="18" rx="3"/><circle cx="12" cy="12" r="4.5"/><path d="M12 7.5V5.5M12 18.5v-2M7.5 12h-2M18.5 12h-2"/></svg>
`;
