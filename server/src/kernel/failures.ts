// Every table of failures that the kernel answers with, whichever room it stands in.

import { byteFailureTable } from '#kernel/bytes/errors';
import type { FailureTable } from '#kernel/errors/failures';

export const kernelFailures: readonly FailureTable[] = [byteFailureTable];
