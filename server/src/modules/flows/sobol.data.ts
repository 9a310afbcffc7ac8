// Direction numbers of the Sobol sequence as S. Joe and F. Y. Kuo published them (new-joe-kuo-6.21201), the first of them: by
// dimension from the second on, the coefficients of a primitive polynomial and the numbers to begin with.

export type Direction = { readonly degree: number; readonly coefficients: number; readonly first: readonly number[] };

export const directions: readonly Direction[] = [
  { degree: 1, coefficients: 0, first: [1] },
  { degree: 2, coefficients: 1, first: [1, 3] },
  { degree: 3, coefficients: 1, first: [1, 3, 1] },
  { degree: 3, coefficients: 2, first: [1, 1, 1] },
  { degree: 4, coefficients: 1, first: [1, 1, 3, 3] },
  { degree: 4, coefficients: 4, first: [1, 3, 5, 13] },
  { degree: 5, coefficients: 2, first: [1, 1, 5, 5, 17] },
  { degree: 5, coefficients: 4, first: [1, 1, 5, 5, 5] },
  { degree: 5, coefficients: 7, first: [1, 1, 7, 11, 19] },
  { degree: 5, coefficients: 11, first: [1, 1, 5, 1, 1] },
  { degree: 5, coefficients: 13, first: [1, 1, 1, 3, 11] },
  { degree: 5, coefficients: 14, first: [1, 3, 5, 5, 31] },
  { degree: 6, coefficients: 1, first: [1, 3, 3, 9, 7, 49] },
  { degree: 6, coefficients: 13, first: [1, 1, 1, 15, 21, 21] },
  { degree: 6, coefficients: 16, first: [1, 3, 1, 13, 27, 49] },
  { degree: 6, coefficients: 19, first: [1, 1, 1, 15, 7, 5] },
  { degree: 6, coefficients: 22, first: [1, 3, 1, 15, 13, 25] },
  { degree: 6, coefficients: 25, first: [1, 1, 5, 5, 19, 61] },
  { degree: 7, coefficients: 1, first: [1, 3, 7, 11, 23, 15, 103] },
  { degree: 7, coefficients: 4, first: [1, 3, 7, 13, 13, 15, 69] },
];

/** With the first dimension, which needs no polynomial. */
export const sobolDimensionsMax = directions.length + 1;
