// Every table of failures that the kernel answers with, whichever room it stands in.

import type { FailureTable } from '#kernel/errors/failures';

export const kernelFailures: readonly FailureTable[] = [];
