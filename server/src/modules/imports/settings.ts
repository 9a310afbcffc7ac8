// Which registries of others images may come from, and how much of them. Beside what else environments are made of.

import { settingList } from '#kernel/config/setting';
import { isRegistryHost, readRegistryRule } from '#workspaces';

export const importsSettings = settingList(
  {
    'environments.registries': {
      kind: 'list',
      standard: [],
      most: 64,
      pattern: /^[^\s]{3,1024}$/,
      wanted:
        'HOST, HOST/REPOSITORY or HOST/PREFIX/*, and =HOST,HOST behind it for hosts that its tokens and blobs come from',
      help: 'Registries of others that images of environments are fetched from, where the workspace names them as well (imageRegistries); by exact host, over TLS, without a password. For example docker.io/library/*=production.cloudflare.docker.com. Empty: no image is fetched',
    },
    'environments.insideRegistries': {
      kind: 'list',
      standard: [],
      most: 64,
      pattern: /^[^\s]{3,120}$/,
      wanted: 'hosts of registries as environments.registries names them',
      help: 'Of those registries and of the hosts behind their =, which may be at addresses of this machine or its networks. Of any other such an address is refused, whatever its name says',
    },
    'environments.registryAuthorityFile': {
      kind: 'file',
      standard: '',
      help: 'Certificate authorities of registries in your own network, in PEM, trusted besides the public ones when images are fetched; read when the server starts',
    },
    'environments.imageBytes': {
      kind: 'whole',
      standard: 20 * 1024 ** 3,
      min: 1024 ** 2,
      max: 1024 ** 4,
      help: 'Bytes that an image of another registry may have, compressed as it comes',
    },
  },
  {
    together(read) {
      const rules = (read('environments.registries') as readonly string[]).map(readRegistryRule);
      const hosts = rules.flatMap((rule) => (typeof rule === 'string' ? [] : [rule.host, ...rule.also]));
      return [
        ...rules.flatMap((rule) => (typeof rule === 'string' ? [`environments.registries: ${rule}`] : [])),
        ...(read('environments.insideRegistries') as readonly string[]).flatMap((host) =>
          isRegistryHost(host) && hosts.includes(host)
            ? []
            : [`environments.insideRegistries: '${host}' is no host that environments.registries names`],
        ),
      ];
    },
  },
);
