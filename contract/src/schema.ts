// The one door to the schema library. Wire shapes are written with `Type`; types follow by `Static`.

import { Settings } from 'typebox/system';

// The library stops at 8; a message that names every mistake needs more, and a bound all the same.
Settings.Set({ maxErrors: 64 });

export { type Static, type TSchema, Type } from 'typebox';
export { Compile, type Validator } from 'typebox/compile';
