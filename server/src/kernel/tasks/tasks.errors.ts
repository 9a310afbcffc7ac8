// What tasks are refused with, and what one that was given up says.

import { defineFailures } from '#kernel/errors/failures';

export const tasksFailures = defineFailures('tasks', {
  LeaseLost: { kind: 'conflict', say: 'This task was taken over by another holder.' },
  TaskAttempts: { kind: 'internal', say: 'The server stopped during every attempt at this task.' },
  TaskTooLarge: { kind: 'tooLarge', say: 'The payload of a task is larger than 64 KiB.' },
  TaskUnknown: {
    kind: 'internal',
    meaning: 'A task was given that nothing handles.',
    remedy: 'Report it with the request id.',
    say: (name: string) => `Nothing handles tasks named ${name}.`,
  },
  TasksStarted: { kind: 'internal', say: 'Tasks were started already.' },
  ServerStopping: { kind: 'unavailable', say: 'The server is stopping.' },
});
