// A sign-in that waits for a person, as the OpenID library holds it: found by the cookie of the browser that began it.

import { errors, type Provider } from 'oidc-provider';
import type { PendingSignIn } from './openid.types.ts';
import type { Request, Response } from './openid-provider.wire.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

export async function findPendingSignIn(
  provider: Provider,
  request: Request,
  response: Response,
  uid: string,
): Promise<PendingSignIn | undefined> {
  const interaction = await detailsOf(provider, request, response);
  if (interaction?.uid !== uid) return undefined;
  const { client_id: clientId, redirect_uri: redirectUri, login_hint: loginHint } = interaction.params;
  return {
    uid,
    clientName: async () => (await provider.Client.find(String(clientId)))?.clientName,
    redirectUri: typeof redirectUri === 'string' ? redirectUri : undefined,
    loginHint: typeof loginHint === 'string' ? loginHint : undefined,
    leaveSession: (accountId) => leaveSession(provider, interaction, accountId),
    finish: (result) => provider.interactionResult(request, response, result, { mergeWithLastSubmission: false }),
  };
}

async function detailsOf(provider: Provider, request: Request, response: Response): Promise<Interaction | undefined> {
  try {
    return await provider.interactionDetails(request, response);
  } catch (thrown) {
    if (!(thrown instanceof errors.SessionNotFound)) throw thrown;
    return undefined;
  }
}

/** The library would ask for this by a page that submits itself, and our pages run no script. */
async function leaveSession(provider: Provider, interaction: Interaction, accountId: string): Promise<void> {
  const earlier = interaction.session;
  if (earlier?.accountId === undefined || earlier.accountId === accountId) return;
  const session = await provider.Session.findByUid(earlier.uid);
  if (session === undefined) return;
  delete session.accountId;
  delete session.authorizations;
  await session.persist();
  const { accountId: _left, ...rest } = earlier;
  // The library's type knows no session without an account; its code does, before anybody signs in.
  interaction.session = rest as typeof earlier;
  await interaction.persist();
}
