// What an operator decides about the log.

import { settingList } from '#kernel/config/setting';

/** As long as Azure keeps its activity log: less would drop what its clients may ask for. */
const retentionDaysMin = 90;

export const auditSettings = settingList({
  'audit.checkpointFile': {
    kind: 'file',
    standard: '',
    help: 'A file that checkpoints are appended to as well, for others to keep as their proof; empty: none',
  },
  'audit.retentionDays': {
    kind: 'whole',
    standard: 0,
    or: 0,
    min: retentionDaysMin,
    max: 36_500,
    help: 'Days after which records that are archived may be dropped; 0: never. Nothing is dropped by itself',
  },
});
