// The fields that MLflow's messages are made of.

import { type TSchema, Type } from './schema.ts';

export const text = Type.String();
export const named = Type.String({ minLength: 1 });
/** An integer that a double holds exactly. */
export const integer = Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
export const count = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
export const milliseconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const optional = <S extends TSchema>(schema: S) => Type.Optional(schema);
export const list = <S extends TSchema>(schema: S) => Type.Optional(Type.Array(schema));
export const choice = <const N extends readonly string[]>(...names: N) =>
  Type.Unsafe<N[number]>({ type: 'string', enum: [...names] });

export const keyValueInput = Type.Object({ key: named, value: optional(text) });
export const page = { page_token: optional(text) };
