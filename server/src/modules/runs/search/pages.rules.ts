// Page tokens. A token holds the place of the last row, and is signed under a key of the workspace together with the
// question that it continues: it cannot be made up, changed, used for another question, or carried to another workspace.

import { constantTimeEqual } from '#kernel/crypto/compare';
import { hmacSha256 } from '#kernel/crypto/digest';
import { runsFailures } from '../runs.errors.ts';

export type Place = readonly (string | number | null)[];

/** Ten tags of the longest that are kept, each character of them escaped, in base64: what an order can come to. */
const tokenCharactersMax = 700_000;
const macBytes = 16;

const mac = (key: Uint8Array, question: string, place: string) =>
  Buffer.from(hmacSha256(key, JSON.stringify([question, place])))
    .subarray(0, macBytes)
    .toString('base64url');

/** @param question everything that decides which rows there are and in which order; not the page size */
export function signPlace(key: Uint8Array, question: unknown, place: Place): string {
  const text = JSON.stringify(place);
  return `${Buffer.from(text).toString('base64url')}.${mac(key, JSON.stringify(question), text)}`;
}

/** The place behind which the page begins; undefined for the first. Throws `invalid`. */
export function readPlace(key: Uint8Array, question: unknown, token: string | undefined): Place | undefined {
  if (token === undefined || token === '') return undefined;
  const wrong = runsFailures.pageToken;
  const [place, signature, ...more] = token.length > tokenCharactersMax ? [] : token.split('.');
  if (place === undefined || signature === undefined || more.length > 0) throw wrong();
  const text = Buffer.from(place, 'base64url').toString();
  // constant time: a forger must not learn the signature byte by byte.
  if (!constantTimeEqual(signature, mac(key, JSON.stringify(question), text))) throw wrong();
  // Signed by us, so it is a list of what columns hold.
  return JSON.parse(text) as Place;
}
