// Writes role-matrix.golden.json from the built-in roles. Run it after a change that is meant, and read the difference:
//   node server/src/modules/access/role-matrix.generate.ts

import { writeFileSync } from 'node:fs';
import { roleMatrix } from './role-matrix.ts';

writeFileSync(new URL('role-matrix.golden.json', import.meta.url), `${JSON.stringify(roleMatrix(), null, 2)}\n`);
