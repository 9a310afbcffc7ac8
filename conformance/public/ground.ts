// What a public suite stands on, made through the Resource Manager of the server under test: a group, and one resource each
// with the caller's roles at it. Speaks HTTP itself, so that `npm run suites` needs no client installed.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

export type Bootstrap = {
  readonly url: string;
  readonly caFile: string;
  readonly tenantId: string;
  readonly subscriptionId: string;
  readonly location: string;
  readonly application: { readonly clientId: string; readonly clientSecret: string; readonly objectId: string };
};

type Json = Readonly<Record<string, unknown>>;

export type Ground = {
  readonly bootstrap: Bootstrap;
  readonly bootstrapFile: string;
  token(audience: string): Promise<string>;
  /** Makes a resource of the kind in the suite's group and gives the caller the roles. */
  make(type: string, version: string, name: string, body: Json, roles: readonly string[]): Promise<void>;
};

export function createGround(bootstrapFile: string): Ground {
  const bootstrap = JSON.parse(readFileSync(bootstrapFile, 'utf8')) as Bootstrap;
  const ca = readFileSync(bootstrap.caFile);

  const send = (method: string, path: string, headers: Readonly<Record<string, string>>, body?: string) =>
    new Promise<Json>((resolve, reject) => {
      const sent = request(`${bootstrap.url}${path}`, { method, headers, ca, agent: false }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('error', reject).on('end', () => {
          if ((answer.statusCode ?? 500) < 300) resolve(text === '' ? {} : (JSON.parse(text) as Json));
          else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
        });
      });
      sent.on('error', reject).end(body);
    });

  async function token(audience: string): Promise<string> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: bootstrap.application.clientId,
      client_secret: bootstrap.application.clientSecret,
      scope: `${audience}/.default`,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await send('POST', `/${bootstrap.tenantId}/oauth2/v2.0/token`, headers, form.toString());
    return String(answer['access_token']);
  }

  async function arm(method: string, path: string, version: string, body?: Json, query = ''): Promise<Json> {
    const authorization = `Bearer ${await token('https://management.azure.com')}`;
    const headers = { authorization, 'content-type': 'application/json' };
    return send(method, `${path}?api-version=${version}${query}`, headers, body && JSON.stringify(body));
  }

  const subscription = `/subscriptions/${bootstrap.subscriptionId}`;
  const group = `${subscription}/resourceGroups/public-suites`;
  const authorization = 'providers/Microsoft.Authorization';

  async function assign(scope: string, role: string): Promise<void> {
    const filter = `&$filter=${encodeURIComponent(`roleName eq '${role}'`)}`;
    const found = await arm('GET', `${subscription}/${authorization}/roleDefinitions`, '2022-04-01', undefined, filter);
    const [definition] = (found['value'] as Json[] | undefined) ?? [];
    if (definition === undefined) throw new Error(`there is no role ${role}`);
    await arm('PUT', `${scope}/${authorization}/roleAssignments/${randomUUID()}`, '2022-04-01', {
      properties: {
        roleDefinitionId: definition['id'],
        principalId: bootstrap.application.objectId,
        principalType: 'ServicePrincipal',
      },
    });
  }

  return {
    bootstrap,
    bootstrapFile,
    token,
    async make(type, version, name, body, roles) {
      const { location } = bootstrap;
      await arm('PUT', group, '2022-09-01', { location });
      const id = `${group}/providers/${type}/${name}`;
      await arm('PUT', id, version, { location, properties: {}, ...body });
      for (let tries = 0; ; tries++) {
        const { properties } = (await arm('GET', id, version)) as { properties: { provisioningState?: string } };
        if (properties.provisioningState === 'Succeeded') break;
        if (tries > 100) throw new Error(`${id} is ${properties.provisioningState}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      for (const role of roles) await assign(id, role);
    },
  };
}
