// Every meter that the kernel feeds, whichever room it stands in.

import { filesMeters } from '#kernel/files/files.meters';
import { httpMeters } from '#kernel/http/http.meters';
import type { Meter } from '#kernel/telemetry/meter';

export const kernelMeters: readonly Meter[] = [...Object.values(httpMeters), ...Object.values(filesMeters)];
