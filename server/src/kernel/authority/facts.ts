// Facts of authentication: how, when and from where somebody proved who he is. They travel from the sign-in into the token and
// from there into every token that is issued on the strength of it, so that a condition which asks for a second factor, and a
// record which names one, mean the sign-in itself and never what happens to hold its place.

export type AuthenticationFacts = {
  /** By RFC 8176: `pwd`, `otp`, `mfa`, …; empty where no person signed in. */
  readonly methods: readonly string[];
  /** Seconds since 1970, of the sign-in and not of the token. */
  readonly at: number | undefined;
  /** The address that it was done from. */
  readonly from: string | undefined;
};

export const nothingProved: AuthenticationFacts = { methods: [], at: undefined, from: undefined };

/** More than one factor was shown. The word that RFC 8176 has for it, and no reading of the others. */
export const hasMfa = ({ methods }: AuthenticationFacts): boolean => methods.includes('mfa');

/** As claims of a token: `amr` and `auth_time` of OpenID Connect, and the `ipaddr` of Azure's tokens. */
export const claimsOfFacts = ({ methods, at, from }: AuthenticationFacts) => ({
  ...(methods.length === 0 ? {} : { amr: methods }),
  ...(at === undefined ? {} : { auth_time: at }),
  ...(from === undefined ? {} : { ipaddr: from }),
});

/** Clocks of two machines differ: a token is taken for as long after its end. */
export const clockSkewSeconds = 60;

/** From when on a token with these claims is refused for its age. */
export const refusedFromMs = ({ exp }: Readonly<Record<string, unknown>>): number | undefined =>
  typeof exp === 'number' ? (exp + clockSkewSeconds) * 1000 : undefined;

/** Out of a token whose signature holds. What is not there, or is something else, was not proved. */
export function factsInClaims(claims: Readonly<Record<string, unknown>>): AuthenticationFacts {
  const { amr, auth_time: at, ipaddr: from } = claims;
  return {
    methods: Array.isArray(amr) ? amr.filter((one): one is string => typeof one === 'string') : [],
    at: typeof at === 'number' && Number.isFinite(at) ? at : undefined,
    from: typeof from === 'string' ? from : undefined,
  };
}
