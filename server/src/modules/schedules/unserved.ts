// What Azure's schedules have and ours do not. (Its other actions and triggers are refused by their types.)

import type { Unserved } from '#resources';

export const unservedOfSchedules: Unserved = {
  refused: {},
  kept: {},
  ignored: {
    provisioningState: 'Told by the server and not chosen.',
  },
};
