// The one door to the schema library. Wire shapes are written with `Type`; types follow by `Static`.

export { Compile, type Validator } from 'typebox/compile';
export { type Static, type TSchema, Type } from 'typebox';
