// What the OpenID library hands on for us from a sign-in to its session, and from there to every code and refresh token: in
// `acr`, of which it tells nobody without `acrValues`. The methods (`amr`) and the time it hands on by itself.

export type SignInNote = {
  /** Of the credentials that were checked. */
  readonly generation: string;
  /** The address that they were sent from. */
  readonly from: string | undefined;
};

export const writeNote = (generation: number, from: string | undefined): string =>
  from === undefined ? String(generation) : `${generation} ${from}`;

/** What comes from before there were generations has none; from before the address was kept, no address. */
export function readNote(acr: unknown): SignInNote | undefined {
  if (typeof acr !== 'string') return undefined;
  const [generation = '', from] = acr.split(' ');
  return { generation, from };
}
