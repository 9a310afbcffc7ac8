// The space that a sweep searches: Azure's distributions as their arrays, read and checked. A value is taken out of one by a
// number between 0 and 1, so that every way of sampling shares what a distribution is. Pure.

import { flowsFailures } from './flows.errors.ts';

export type Scalar = string | number | boolean;

export type Distribution =
  | { readonly kind: 'choice'; readonly values: readonly Scalar[] }
  | { readonly kind: 'randint'; readonly upper: number }
  | {
      readonly kind: 'uniform' | 'loguniform' | 'quniform' | 'qloguniform';
      readonly min: number;
      readonly max: number;
      readonly q: number | undefined;
    }
  | {
      readonly kind: 'normal' | 'lognormal' | 'qnormal' | 'qlognormal';
      readonly mu: number;
      readonly sigma: number;
      readonly q: number | undefined;
    };

export type Parameter = { readonly name: string; readonly distribution: Distribution };
export type Space = readonly Parameter[];
export type Point = Readonly<Record<string, Scalar>>;

const parametersMax = 100;
const choicesMax = 1_000;
const textMax = 1_024;
/** What is raised to the power of e stays a number. */
const exponentMax = 700;

const forms: Readonly<Record<string, string>> = {
  choice: '["choice", [[value, …]]]',
  randint: '["randint", [upper]]',
  uniform: '["uniform", [min, max]]',
  quniform: '["quniform", [min, max, q]]',
  loguniform: '["loguniform", [min, max]]',
  qloguniform: '["qloguniform", [min, max, q]]',
  normal: '["normal", [mu, sigma]]',
  qnormal: '["qnormal", [mu, sigma, q]]',
  lognormal: '["lognormal", [mu, sigma]]',
  qlognormal: '["qlognormal", [mu, sigma, q]]',
};

/** @throws Failure `invalid` with the parameter that is wrong, and what it should be */
export function readSpace(written: Readonly<Record<string, unknown>>): Space {
  const entries = Object.entries(written);
  if (entries.length === 0) throw flowsFailures.EmptySpace();
  if (entries.length > parametersMax) throw flowsFailures.SpaceTooLarge(parametersMax);
  return entries.map(([name, value]) => {
    if (!/^[A-Za-z_][A-Za-z0-9_-]{0,254}$/.test(name)) throw flowsFailures.ParameterName(name);
    return { name, distribution: readDistribution(name, value) };
  });
}

function readDistribution(name: string, value: unknown): Distribution {
  const [word, given]: readonly unknown[] = Array.isArray(value) ? value : [];
  const kind = typeof word === 'string' ? word.toLowerCase() : '';
  const form = Object.hasOwn(forms, kind) ? forms[kind] : undefined;
  if (form === undefined) throw flowsFailures.UnknownDistribution(name, kind, Object.values(forms));
  const wrong = (why: string) => flowsFailures.WrongDistribution(name, form, why);
  if (!Array.isArray(value) || value.length !== 2 || !Array.isArray(given)) throw wrong('it has not this form');
  if (kind === 'choice') return { kind, values: choices(given, wrong) };
  const numbers = given.filter((one): one is number => typeof one === 'number' && Number.isFinite(one));
  const wanted = kind === 'randint' ? 1 : kind.startsWith('q') ? 3 : 2;
  if (numbers.length !== given.length || numbers.length !== wanted)
    throw wrong(`it takes ${wanted === 1 ? 'one number' : `${wanted} numbers`}`);
  const [first = 0, second = 0, q] = numbers;
  if (q !== undefined && q <= 0) throw wrong('q must be greater than 0');
  switch (kind) {
    case 'randint':
      if (!Number.isInteger(first) || first < 1 || first > 2 ** 31) throw wrong('upper is an integer of at least 1');
      return { kind, upper: first };
    case 'uniform':
    case 'quniform':
    case 'loguniform':
    case 'qloguniform':
      if (second <= first) throw wrong('max must be greater than min');
      if (kind.endsWith('loguniform') && Math.abs(second) > exponentMax)
        throw wrong(`min and max are exponents of e, of ${exponentMax} at most`);
      return { kind, min: first, max: second, q };
    default:
      if (second <= 0) throw wrong('sigma must be greater than 0');
      return { kind: kind as 'normal' | 'lognormal' | 'qnormal' | 'qlognormal', mu: first, sigma: second, q };
  }
}

function choices(given: readonly unknown[], wrong: (why: string) => Error): readonly Scalar[] {
  const [values] = given;
  if (given.length !== 1 || !Array.isArray(values) || values.length === 0) throw wrong('it has no values');
  if (values.length > choicesMax) throw wrong(`it has more than ${choicesMax} values`);
  return values.map((value: unknown) => {
    if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return value;
    if (typeof value === 'string' && value.length <= textMax && !value.includes('\0')) return value;
    if (typeof value === 'object' && value !== null)
      throw wrong('spaces inside a choice are not served; sweep each of them by itself');
    throw wrong(`a value is a number, a truth value or a text of at most ${textMax} characters`);
  });
}

/** @param at at least 0 and less than 1 */
export function valueAt(distribution: Distribution, at: number): Scalar {
  switch (distribution.kind) {
    case 'choice': {
      const { values } = distribution;
      return values[Math.min(Math.floor(at * values.length), values.length - 1)] ?? '';
    }
    case 'randint':
      return Math.min(Math.floor(at * distribution.upper), distribution.upper - 1);
    case 'uniform':
    case 'loguniform':
    case 'quniform':
    case 'qloguniform': {
      const { kind, min, max, q } = distribution;
      const raise = kind.endsWith('loguniform') ? Math.exp : (x: number) => x;
      return stepped(raise(min + at * (max - min)), q, { least: raise(min), most: raise(max) });
    }
    default: {
      const { kind, mu, sigma, q } = distribution;
      const drawn = mu + sigma * normalQuantile(at);
      return stepped(kind.endsWith('lognormal') ? Math.exp(drawn) : drawn, q, { least: -Infinity, most: Infinity });
    }
  }
}

/** The multiple of q that is nearest, within the bounds where there is one. */
function stepped(
  value: number,
  q: number | undefined,
  within: { readonly least: number; readonly most: number },
): number {
  if (q === undefined) return value;
  const [least, most] = [Math.ceil(within.least / q), Math.floor(within.most / q)];
  const steps = least <= most ? Math.min(Math.max(Math.round(value / q), least), most) : Math.round(value / q);
  // Without the digits that a multiplication of doubles leaves behind: 0.3 and not 0.30000000000000004.
  return Number((steps * q).toPrecision(12));
}

const central = {
  over: [
    -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1,
    2.506628277459239,
  ],
  under: [
    -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1, 1,
  ],
} as const;
const tail = {
  over: [
    -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ],
  under: [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1],
} as const;
const tailBelow = 0.02425;
const least = 2 ** -33;

const polynomial = (coefficients: readonly number[], x: number) => coefficients.reduce((sum, one) => sum * x + one, 0);

/** Inverse of the standard normal distribution, by P. Acklam's rational approximation (relative error below 1.2e-9). */
export function normalQuantile(at: number): number {
  const p = Math.min(Math.max(at, least), 1 - least);
  if (p > 1 - tailBelow) return -normalQuantile(1 - p);
  if (p < tailBelow) {
    const x = Math.sqrt(-2 * Math.log(p));
    return polynomial(tail.over, x) / polynomial(tail.under, x);
  }
  const x = p - 0.5;
  return (x * polynomial(central.over, x * x)) / polynomial(central.under, x * x);
}
