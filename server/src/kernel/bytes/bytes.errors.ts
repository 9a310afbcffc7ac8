// What a byte store refuses. The modules above answer with words of their own; these stand behind them as causes.

import { defineFailures, tableOf } from '#kernel/errors/failures';

export const byteFailures = defineFailures('bytes', {
  ObjectMissing: { kind: 'notFound', say: 'There is no object of this name.' },
  ObjectExists: {
    kind: 'conflict',
    say: 'An object of this name is there or being written, and objects never change.',
  },
  ObjectName: { kind: 'internal', say: 'An object was named as none of ours is.' },
  ObjectOwner: { kind: 'internal', say: 'No objects belong to an owner of such a name.' },
  WriterMisuse: { kind: 'internal', say: 'An object was written to after its end or after a failure.' },
});

export const byteFailureTable = tableOf(byteFailures);
