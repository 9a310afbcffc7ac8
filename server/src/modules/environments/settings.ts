// Where packages come from, and what stands for environments that are not here.

import { settingList } from '#kernel/config/setting';
import { readMapped } from './images.rules.ts';

export const environmentsSettings = settingList(
  {
    'environments.index': {
      kind: 'text',
      standard: 'https://pypi.org/simple/',
      pattern: /^(none|https?:\/\/[^/?#@\s]+(\/[^?#\s]{0,900})?)$/,
      wanted: 'the address of a package index, or none',
      help: 'Address of the package index (simple repository API) that environments are built from, the only one that the server fetches from; none: nothing is fetched and nothing built',
    },
    'environments.images': {
      kind: 'list',
      standard: [],
      most: 256,
      pattern: /^[^\s]{3,1024}$/,
      wanted: 'NAME=TARGET or PREFIX*=TARGET',
      help: 'What stands for images and environments that are not here; a target is strongroom/node-python, azureml:NAME:VERSION or the id of an environment version',
    },
  },
  {
    together: (read) =>
      (read('environments.images') as readonly string[]).flatMap((text) => {
        const mapped = readMapped(text);
        return typeof mapped === 'string' ? [`environments.images: ${mapped}`] : [];
      }),
  },
);
