// What the services and the OpenID library say to each other. The library speaks HTTP, and its host carries that
// (openid-host.wire.ts); a service sees one visit: who comes, what the library decides, and where that leads.

import type { Failure } from '#kernel/errors/failure';
import type { Page } from './frame.page.ts';

/** Below the tenant. */
export const paths = {
  authorization: '/oauth2/v2.0/authorize',
  token: '/oauth2/v2.0/token',
  device_authorization: '/oauth2/v2.0/devicecode',
  code_verification: '/login/device',
  end_session: '/oauth2/v2.0/logout',
  jwks: '/discovery/v2.0/keys',
} as const;

/** Carries the spelling of the resource from the begin of a device flow to its end, where clients do not repeat it. */
export const askedParameter = 'strongroom_asked';

/** What `response_mode=form_post` is called towards the library. */
export const formPostMode = 'strongroom_form_post';

export const openidScopes = ['openid', 'profile', 'offline_access'] as const;

export type ProviderCall = {
  readonly method: 'GET' | 'POST';
  /** Below the tenant, for example `/oauth2/v2.0/token`. */
  readonly path: string;
  /** In the query of a GET, in the form of a POST. */
  readonly parameters: readonly (readonly [string, string])[];
  /** What the caller understands: decides between error objects and error pages. */
  readonly accept: 'json' | 'html';
  readonly asked?: string | undefined;
  readonly userCode?: string | undefined;
  /** Why the request is refused whatever else it says: told to the client, once its redirect was found to be its own. */
  readonly refusal?: Failure | undefined;
};

export type Outcome = {
  /** As the library has it: 400 and above is a refusal. */
  readonly status: number;
  readonly body: unknown;
  readonly page: Page | undefined;
  readonly location: string | undefined;
  /** Whom a token was issued to, and for what, in the client's spelling. */
  readonly issued: { readonly account: string | undefined; readonly audience: string | undefined };
  /** True when somebody typed a device code that does not exist. */
  readonly guessedWrong: boolean;
};

/** A sign-in that a program asked for and that waits for a person. */
export type PendingSignIn = {
  readonly uid: string;
  readonly clientName: () => Promise<string | undefined>;
  /** Where it leads in the end. */
  readonly redirectUri: string | undefined;
  /** The user name that the program expects. */
  readonly loginHint: string | undefined;
  /** Another person in the same browser: the session forgets the earlier one and what hung on it. */
  leaveSession(accountId: string): Promise<void>;
  /** Answers where the browser goes. */
  finish(result: SignInResult): Promise<string>;
};

export type SignInResult =
  | {
      readonly login: {
        readonly accountId: string;
        readonly acr: string;
        readonly amr: string[];
        readonly remember: boolean;
        readonly ts: number;
      };
    }
  | { readonly error: string; readonly error_description: string };

/** One request of a caller, as far as a service has to know it. */
export type Visit = {
  /** As the caller named it; the library answers at our own and no other. */
  readonly origin: string;
  readonly address: string | undefined;
  /** What the browser brought along. */
  readonly cookies: string | undefined;
  /** Gives the browser a cookie, whatever is answered. */
  keepCookie(line: string): void;
  run(call: ProviderCall): Promise<Outcome>;
  /** The sign-in of that id, in the browser that began it and in no other. */
  pendingSignIn(uid: string): Promise<PendingSignIn | undefined>;
};

/** Where a browser goes next. */
export type Next = { readonly to: string } | { readonly page: Page; readonly retryAfterSeconds?: number | undefined };
