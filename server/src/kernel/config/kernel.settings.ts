// What the kernel itself, and what opens an installation, has to be told before there is any module.

import { settingList } from '#kernel/config/setting';

const hostName = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

export const kernelSettings = settingList(
  {
    dataDir: {
      kind: 'text',
      standard: './strongroom-data',
      pattern: /^[^\0\n]+$/,
      wanted: 'the path of a folder',
      help: 'Folder of everything that Strongroom keeps; made with mode 0700',
    },
    location: {
      kind: 'text',
      standard: 'local',
      pattern: /^[a-z0-9]{2,30}$/,
      wanted: '2 to 30 small letters and digits',
      help: 'Name of the region that this installation is',
    },
    'http.host': {
      kind: 'text',
      standard: '127.0.0.1',
      pattern: /^[\w.:%-]+$/,
      wanted: 'an address of this machine, 0.0.0.0 for all',
      help: 'Address to listen on',
    },
    'http.port': { kind: 'whole', standard: 8443, min: 0, max: 65_535, help: 'Port to listen on; 0: a free one' },
    'http.domain': {
      kind: 'text',
      standard: 'localhost',
      pattern: hostName,
      wanted: 'a host name in small letters',
      help: 'Host name that clients use; those of vaults and accounts are below it',
    },
    'http.aliases': {
      kind: 'list',
      standard: [],
      most: 32,
      pattern: hostName,
      wanted: 'host names in small letters',
      help: 'Further names that clients use; any other name is refused',
    },
    'http.trustedProxies': {
      kind: 'list',
      standard: [],
      most: 64,
      pattern: /^[0-9a-fA-F.:/]{2,64}$/,
      wanted: 'addresses and ranges such as 10.0.0.0/8',
      help: 'Proxies whose X-Forwarded-For is believed; of anybody else it is not',
    },
    'http.tls.certificateFile': {
      kind: 'file',
      standard: '',
      help: 'A certificate of somebody else’s authority and the ones above it, in PEM, shown to whoever asks for a name that it is for; read again when it changes',
    },
    'http.tls.keyFile': {
      kind: 'file',
      standard: '',
      holdsSecret: true,
      help: 'The private key of that certificate, in PEM, without a password',
    },
    'http.tls.authorityFile': {
      kind: 'file',
      standard: '',
      help: 'The authority of that certificate, in PEM, where clients do not know it; handed out with our own',
    },
    'keys.rootKeyFile': {
      kind: 'file',
      standard: '',
      holdsSecret: true,
      help: 'Root key file; empty: keys/root.key in the data folder. Put it on another disk than the data',
    },
    'log.level': {
      kind: 'word',
      standard: 'info',
      words: ['debug', 'info', 'warn', 'error', 'silent'],
      help: 'The least that the log tells',
    },
    'disk.keepFreeBytes': {
      kind: 'whole',
      standard: 0,
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      help: 'Free space below which nothing that grows is taken; at least 1 GiB or 5 % of the disk (10 GiB at most) in any case',
    },
  },
  {
    together(read) {
      const isSet = (name: 'certificateFile' | 'keyFile' | 'authorityFile') => read(`http.tls.${name}`) !== '';
      return [
        ...(isSet('certificateFile') === isSet('keyFile')
          ? []
          : ['http.tls.certificateFile and http.tls.keyFile are given together or not at all; write both']),
        ...(isSet('authorityFile') && !isSet('certificateFile')
          ? [
              'http.tls.authorityFile belongs to http.tls.certificateFile, which is empty; write that too, or leave it out',
            ]
          : []),
      ];
    },
  },
);
