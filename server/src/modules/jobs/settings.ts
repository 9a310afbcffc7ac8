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
  'jobs.inputBytes': {
    kind: 'whole',
    standard: 3 * 1024 ** 3,
    min: 1024 ** 2,
    max: 1024 ** 4,
    help: 'Bytes that the inputs of a job may have together in the memory of its node while it runs, beside what it writes; what a node keeps on its disk (agent.inputBytes) is not counted',
  },
  'jobs.keptInputBytes': {
    kind: 'whole',
    standard: 64 * 1024 ** 2,
    min: 1024 ** 2,
    max: 1024 ** 4,
    help: 'Bytes from which on a single input is kept by its node, where that keeps inputs, and shared with other jobs of the workspace',
  },
});
