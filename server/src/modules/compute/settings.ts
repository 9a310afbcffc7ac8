// Whether work runs on this machine, and how much at once.

import { settingList } from '#kernel/config/setting';

export const computeSettings = settingList({
  'agent.embedded': {
    kind: 'truth',
    standard: true,
    help: 'Whether the server starts a compute agent on this machine',
  },
  'agent.maxNodes': {
    kind: 'whole',
    standard: 8,
    min: 0,
    max: 256,
    help: 'Sandboxed nodes of this machine, over all clusters',
  },
  'agent.pythons': {
    kind: 'list',
    standard: [],
    most: 64,
    pattern: /^\/[^\0]{1,1000}$/,
    wanted: 'the whole path of an interpreter, or of the folder of its installation',
    help: 'Interpreters of Python that environments may ask for, beside those that the agent finds below /usr and /opt: programs, or folders that hold bin/python3.X; each must be changed by root or the user of the server alone',
  },
  'agent.imageBytes': {
    kind: 'whole',
    standard: 4 * 1024 ** 3,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    help: 'Bytes of unpacked images that a node keeps, and no more than half of what is free where it keeps them',
  },
  'agent.imageFolder': {
    kind: 'text',
    standard: '',
    pattern: /^(?:\/[^\0]{1,1000})?$/,
    wanted: 'the whole path of a folder, or an empty text for none',
    help: 'An existing folder for unpacked images, on a disk that the operator has encrypted; when empty they are in memory',
  },
});
