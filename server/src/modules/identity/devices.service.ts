// Browsers that somebody signed in with before. Each keeps a cookie that only this server can make, for one user; a try that
// brings it is counted by itself, so that no stranger's failures keep its user out. It proves nothing else: the password is
// asked for as ever, and whoever steals the cookie gets five guesses.

import type { Clock } from '#kernel/clock/clock';
import { constantTimeEqual } from '#kernel/crypto/compare';
import { hmacSha256 } from '#kernel/crypto/digest';
import { randomBytes, randomToken } from '#kernel/crypto/random';
import type { SecretStore } from './signing-keys.service.ts';

export type Devices = {
  /** The id of this browser, if the user signed in with it before. */
  find(cookieHeader: string | undefined, objectId: string): string | undefined;
  /** The Set-Cookie line that makes this browser known to the user; undefined when it is. */
  remember(cookieHeader: string | undefined, objectId: string): string | undefined;
  load(): Promise<void>;
};

const cookieName = '__Host-strongroom-devices';
const secretName = 'device-cookie-key';
/** The most that browsers keep a cookie for. */
const days = 400;
const usersMax = 5;
const dayMs = 86_400_000;

export function createDevices(options: { readonly secretStore: SecretStore; readonly clock: Clock }): Devices {
  const { secretStore, clock } = options;
  let key: Uint8Array | undefined;
  const signed = (objectId: string, id: string, day: string) => {
    if (key === undefined) throw new Error('devices were not loaded');
    return Buffer.from(hmacSha256(key, `${objectId}:${id}:${day}`)).toString('base64url');
  };
  const today = () => Math.floor(clock.epochMs() / dayMs);

  const tokensIn = (cookieHeader = ''): readonly (readonly [id: string, day: string, mac: string])[] => {
    const value = cookieHeader
      .split(';')
      .map((part) => part.trim())
      .find((part) => part.startsWith(`${cookieName}=`))
      ?.slice(cookieName.length + 1);
    return (value ?? '')
      .split('~')
      .slice(0, usersMax)
      .flatMap((token) => {
        const [, id = '', day = '', mac = ''] = /^([\w-]{22})\.(\d{1,6})\.([\w-]{43})$/.exec(token) ?? [];
        return id !== '' && Number(day) + days > today() ? [[id, day, mac] as const] : [];
      });
  };
  const isOf = (objectId: string, [id, day, mac]: readonly [string, string, string]) =>
    constantTimeEqual(mac, signed(objectId, id, day));

  return {
    find: (cookieHeader, objectId) => tokensIn(cookieHeader).find((token) => isOf(objectId, token))?.[0],
    remember(cookieHeader, objectId) {
      const present = tokensIn(cookieHeader);
      if (present.some((token) => isOf(objectId, token))) return undefined;
      const [id, day] = [randomToken(16), String(today())];
      const tokens = [[id, day, signed(objectId, id, day)], ...present.slice(0, usersMax - 1)];
      const value = tokens.map((token) => token.join('.')).join('~');
      return `${cookieName}=${value}; Path=/; Max-Age=${days * 86_400}; Secure; HttpOnly; SameSite=Lax`;
    },
    async load() {
      key = await secretStore.get(secretName);
      if (key !== undefined) return;
      key = randomBytes(32);
      await secretStore.put(secretName, key);
    },
  };
}
