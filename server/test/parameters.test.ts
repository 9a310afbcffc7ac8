// The sweep of what is asked and not read. Of lists that the resource manager answers, and of whatever changes something, it is parameters: a
// filter that is ignored shows too much, and what is added to a change says how it is meant. Of whatever changes something it is conditions, too: one
// that is ignored loses what it was to keep. Who may not learns neither. A new route is swept as soon as it is mounted.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asFailure } from '#kernel/errors/failure';
import type { Exchange } from '#kernel/http/exchange';
import type { Route } from '#kernel/http/route';
import { type Bench, openServer, type Principal } from './server.fixture.ts';
import { addressesOf, createAsker, furnish, isAtRoot, refusesEveryToken, rolesOfTheMighty } from './sweep.fixture.ts';

let bench: Bench;
let token: string;
/** Who may do whatever a role lets anybody do. */
let mighty: Principal;
before(async () => {
  bench = await openServer();
  token = await bench.ownerToken();
  mighty = await bench.principal(rolesOfTheMighty);
});
after(() => bench.close());

/** What answers the same whatever is asked, and in full. */
const tells: Readonly<Record<string, string>> = {
  Tenants_List: 'one tenant',
  Subscriptions_List: 'one subscription',
  Subscriptions_ListLocations: 'one location',
  Providers_ListAtTenant: 'everything of every namespace, which is what $expand asks for',
  Providers_List: 'everything of every namespace',
  Permissions_List: 'all of them: what a role permits has no pages and no filter',
  Permissions_ListAtRoot: 'all of them',
  ProviderOperationsMetadata_List: 'everything of every namespace, which is what $expand asks for',
};
const isList = ({ surface, method, operation }: Route) =>
  surface === 'arm' && method === 'GET' && /_List/.test(operation);

/** What the door says of it once it has let somebody in. */
function refusalAtRoot(route: Route, name: string, value: string) {
  const surface = bench.server.composed.modules.flatMap(({ surfaces = [] }) => surfaces).find(isArm);
  assert.ok(surface?.refuseUnread);
  // No more of a request than is looked at.
  const exchange = { method: route.method, target: { query: { values: { [name]: value } } } } as unknown as Exchange;
  try {
    surface.refuseUnread(exchange, route);
    return { status: 200, isUnread: false, message: '', text: '' };
  } catch (thrown) {
    const { status, code, message } = asFailure(thrown);
    return { status, isUnread: code === 'InvalidQueryParameterValue', message, text: message };
  }
}
const isArm = ({ name }: { readonly name: string }) => name === 'arm';

async function answerTo(route: Route, name: string, value = 'x') {
  if (isAtRoot(route)) return refusalAtRoot(route, name, value);
  const { subscriptionId } = bench;
  const [at] = addressesOf(route, { subscriptionId, scope: `subscriptions/${subscriptionId}` }, bench.domain);
  const path = `${at?.path}&${new URLSearchParams({ [name]: value })}`;
  const { status, body, text } = await bench.send(path, { method: 'GET', token });
  const isUnread = body?.error?.code === 'InvalidQueryParameterValue';
  return { status, isUnread, message: String(body?.error?.message), text };
}

test('every list refuses a parameter that it does not read by its name, and says what it reads', async () => {
  const lists = bench.server.composed.door.routes.filter((route) => isList(route) && !(route.operation in tells));
  const wrong: string[] = [];
  // One that nobody has, one that other lists of Azure have, and ours in another spelling.
  for (const route of lists)
    for (const name of ['strange', '$inlinecount', '$FILTER', 'toString', '__proto__']) {
      const { status, isUnread, message, text } = await answerTo(route, name);
      if (status !== 400 || !isUnread || !message.includes(`'${name}'`) || !message.includes('Leave it out'))
        wrong.push(`${route.operation} ${name}: ${status} ${text.slice(0, 200)}`);
    }
  assert.deepEqual(wrong, []);
  assert.ok(lists.length > 30, `${lists.length} lists`);
  for (const operation of [
    'RoleAssignments_ListForScope',
    'ActivityLogs_List',
    'BlobContainers_List',
    'Vaults_ListDeleted',
  ])
    assert.ok(
      lists.some((route) => route.operation === operation),
      `${operation} is not among them`,
    );
});

test('what a list says that it reads is not refused as unread, and nothing is refused that is given empty', async () => {
  const stated = bench.server.composed.door.routes.filter((route) => isList(route) && Array.isArray(route.reads));
  assert.ok(stated.length > 10, `${stated.length} lists`);
  for (const route of stated) {
    for (const name of route.reads as readonly string[]) {
      const { message } = await answerTo(route, name.slice(1));
      assert.ok(!message.includes('Leave it out'), `${route.operation} ${name}: ${message}`);
    }
    const { message } = await answerTo(route, 'strange', '');
    assert.ok(!message.includes('Leave it out'), `${route.operation}: ${message}`);
  }
});

test('a list that answers everything answers the same whatever is asked', async () => {
  for (const operation of Object.keys(tells)) {
    const route = bench.server.composed.door.routes.find((one) => one.operation === operation);
    assert.ok(route, `${operation} is not mounted`);
    assert.equal((await answerTo(route, '$expand', 'metadata')).status, 200, operation);
  }
});

const isChange = ({ method }: Route) => !['GET', 'HEAD', 'OPTIONS'].includes(method);
const tokenFor = (who: Principal, { surface }: Route) => bench.token(who, bench.audience(surface));

/** What refuses it, and the word for it in the protocol's envelope. */
const unreadIn: Readonly<Record<string, { readonly code: string; readonly least: number }>> = {
  arm: { code: 'InvalidQueryParameterValue', least: 100 },
  keyvault: { code: 'InvalidQueryParameterValue', least: 20 },
  graph: { code: 'InvalidQueryParameterValue', least: 10 },
  mlflow: { code: 'INVALID_PARAMETER_VALUE', least: 40 },
  oci: { code: 'UNSUPPORTED', least: 8 },
  history: { code: 'InvalidQueryParameterValue', least: 1 },
  packages: { code: 'InvalidQueryParameterValue', least: 0 },
};

test('every change refuses a parameter that it does not read, before it looks at anything', async () => {
  const { present } = await furnish(bench);
  const ask = createAsker(bench);
  const changing = bench.server.composed.door.routes.filter(
    (route) =>
      Object.hasOwn(unreadIn, route.surface) && isChange(route) && route.reads !== 'anything' && !isAtRoot(route),
  );
  const host = new URL(bench.server.url).hostname;
  const wrong: string[] = [];
  for (const route of changing) {
    const [at] = addressesOf(route, present, host);
    assert.ok(at);
    // One that nobody has; one of another operation; ours in another spelling; what protects in other clouds.
    for (const name of ['strange', 'forcetopurge', '$top', 'toString', '__proto__', 'whatIf']) {
      const path = `${at.path}${at.path.includes('?') ? '&' : '?'}${new URLSearchParams({ [name]: 'x' })}`;
      const signed = route.access.kind === 'open' ? {} : { token: await tokenFor(mighty, route) };
      const { status, text, body } = (await ask(route, { ...at, path }, signed)).reply;
      const code = body?.error?.innererror?.code ?? body?.error?.code ?? body?.error_code ?? body?.errors?.[0]?.code;
      if (status !== 400 || code !== unreadIn[route.surface]?.code || !text.includes(`'${name}'`))
        wrong.push(`${route.operation} ${name}: ${status} ${text.slice(0, 120)}`);
    }
  }
  assert.deepEqual(wrong, []);
  for (const [surface, { least }] of Object.entries(unreadIn)) {
    const count = changing.filter((route) => route.surface === surface).length;
    assert.ok(count > least, `${count} changes of ${surface}`);
  }
});

test('whoever is not signed in, or may not, is not told what a change reads', async () => {
  const { present } = await furnish(bench);
  const ask = createAsker(bench);
  const host = new URL(bench.server.url).hostname;
  const stranger = await bench.principal([]);
  const wrong: string[] = [];
  for (const route of bench.server.composed.door.routes.filter(isChange)) {
    if (route.access.kind === 'open') continue;
    const [at] = addressesOf(route, present, host);
    assert.ok(at);
    const path = `${at.path}${at.path.includes('?') ? '&' : '?'}strange=x`;
    const headers = { 'if-unmodified-since': 'x' };
    const nobody = (await ask(route, { ...at, path }, { headers })).reply;
    if (nobody.status !== 401) wrong.push(`${route.operation}: ${nobody.status} ${nobody.text.slice(0, 120)}`);
    if (route.access.kind !== 'needs') continue;
    const refused = (await ask(route, { ...at, path }, { headers, token: await tokenFor(stranger, route) })).reply;
    if (refused.status !== (refusesEveryToken.has(route.surface) ? 401 : 403))
      wrong.push(`${route.operation}, without a role: ${refused.status} ${refused.text.slice(0, 120)}`);
  }
  assert.deepEqual(wrong, []);
});

test('whatever changes something keeps to a condition, or refuses it by its name before anything is done', async () => {
  const { present } = await furnish(bench);
  const ask = createAsker(bench);
  const host = new URL(bench.server.url).hostname;
  const changing = bench.server.composed.door.routes.filter(
    (route) => isChange(route) && !refusesEveryToken.has(route.surface) && !isAtRoot(route),
  );
  const wrong: string[] = [];
  let refused = 0;
  for (const route of changing) {
    // Of blobs its own protocol speaks; others that read conditions have tests of what they change; some do nothing but refuse.
    if (
      route.surface === 'blob' ||
      route.reads === 'anything' ||
      typeof route.reads === 'function' ||
      route.reads?.includes('if-match')
    )
      continue;
    const [at] = addressesOf(route, present, host);
    assert.ok(at);
    for (const name of ['if-match', 'if-none-match', 'if-unmodified-since']) {
      const headers = { [name]: name === 'if-none-match' ? '*' : '"other"' };
      const signed = route.access.kind === 'open' ? {} : { token: await tokenFor(mighty, route) };
      const { status, text } = (await ask(route, at, { headers, ...signed })).reply;
      if (status === 400 && text.includes(name)) refused++;
      else wrong.push(`${route.operation} ${name}: ${status} ${text.slice(0, 120)}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(refused > 200, `${refused} refusals`);
});
