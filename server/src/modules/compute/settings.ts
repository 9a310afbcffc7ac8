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
  'agent.inputBytes': {
    kind: 'whole',
    standard: 32 * 1024 ** 3,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    help: 'Bytes of inputs of jobs that a node keeps on its disk, and no more than half of what is free there; 0: none, and all inputs are in the memory of their job',
  },
  'agent.inputFolder': {
    kind: 'text',
    standard: '',
    pattern: /^(?:\/[^\0]{1,1000})?$/,
    wanted: 'the whole path of a folder, or an empty text for none',
    help: 'An existing folder in which a node keeps inputs, sealed by gocryptfs under a key of its own life; when empty, /var/tmp',
  },
  'agent.inputFolderIsEncrypted': {
    kind: 'truth',
    standard: false,
    help: 'Whether the operator has encrypted the disk of agent.inputFolder: inputs are plain files there then, and gocryptfs is not needed',
  },
  'agent.imageFolder': {
    kind: 'text',
    standard: '',
    pattern: /^(?:\/[^\0]{1,1000})?$/,
    wanted: 'the whole path of a folder, or an empty text for none',
    help: 'An existing folder for unpacked images, on a disk that the operator has encrypted; when empty they are in memory',
  },
});
