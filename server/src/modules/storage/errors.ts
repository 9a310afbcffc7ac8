// What sealed files call a damage.

import { storageFailures } from './storage.errors.ts';

export const damaged = storageFailures.IntegrityCheckFailed;
