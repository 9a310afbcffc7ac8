// Makes further applications, by the directory's own protocol (Microsoft Graph): what a suite needs when it has to look at
// the server through somebody with fewer rights. No published client for JavaScript is small enough to be worth having.

import { bootstrap, credential } from './bootstrap.ts';

export type Application = { readonly clientId: string; readonly clientSecret: string; readonly objectId: string };

async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  const { token } = await credential.getToken(`${bootstrap.url}/msgraph/.default`);
  const answer = await fetch(`${bootstrap.url}/msgraph/v1.0${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/** An application with a secret and no role at all. */
export async function registerApplication(displayName: string): Promise<Application> {
  const { id, appId } = await post('/applications', { displayName });
  const { secretText } = await post(`/applications/${id}/addPassword`, {});
  return { clientId: String(appId), clientSecret: String(secretText), objectId: String(id) };
}
