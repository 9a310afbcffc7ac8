// What a job gets that asks for nothing.

import { settingList } from '#kernel/config/setting';

export const jobsSettings = settingList({
  'jobs.serverlessNodes': {
    kind: 'whole',
    standard: 2,
    min: 0,
    max: 256,
    help: 'Nodes of the cluster that a workspace is given for jobs that name none; 0: it is given none, and somebody who may makes it',
  },
});
