// How a job that is made of others is to end: decided while its children are still brought to their ends.

import type { JobEnd } from '@strongroom/contract/jobs';

export type Closing = { readonly status: JobEnd; readonly error?: { readonly code: string; readonly message: string } };
