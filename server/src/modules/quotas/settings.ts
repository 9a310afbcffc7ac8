// What a store may hold where nobody set a quota.

import { settingList } from '#kernel/config/setting';

export const quotasSettings = settingList({
  'disk.quotaPercent': {
    kind: 'whole',
    standard: 50,
    min: 1,
    max: 100,
    help: 'Of the disk, what one storage account, registry or workspace database may hold unless a quota was set for it',
  },
});
