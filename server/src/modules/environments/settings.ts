// Where packages come from, and what stands for environments that are not here.

import { settingList } from '#kernel/config/setting';
import { indexForJobsWords } from '#workspaces';
import { readMapped } from './images.rules.ts';
import { readProjectIndex } from './project-indexes.rules.ts';

export const environmentsSettings = settingList(
  {
    'environments.index': {
      kind: 'text',
      standard: 'https://pypi.org/simple/',
      pattern: /^(none|https?:\/\/[^/?#@\s]+(\/[^?#\s]{0,900})?)$/,
      wanted: 'the address of a package index, or none',
      help: 'Address of the package index (simple repository API) that environments are built from; but for environments.projectIndexes the only one that the server fetches from; none: nothing is fetched and nothing built',
    },
    'environments.projectIndexes': {
      kind: 'list',
      standard: [],
      most: 64,
      pattern: /^[^\s]{3,1024}$/,
      wanted: 'PROJECT=ADDRESS',
      help: 'Projects that come from an index of their own, and never from environments.index; for example torch=https://download.pytorch.org/whl/cpu/ for PyTorch without CUDA',
    },
    'environments.indexForJobs': {
      kind: 'word',
      standard: 'none',
      words: indexForJobsWords,
      help: 'Whose jobs may install packages from the index while they run. none: nobody’s; workspaces: those of workspaces that say so (jobPackageIndex: Enabled), but of none of high business impact; all: of those as well when they say so. The names that a job asks for reach the index',
    },
    'environments.keptDays': {
      kind: 'whole',
      standard: 90,
      min: 1,
      max: 3650,
      or: 0,
      help: 'Days without use after which the image of an environment goes; it is built again when it is needed. 0: none goes for its age',
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
    together: (read) => {
      const texts = read('environments.projectIndexes') as readonly string[];
      const indexes = texts.map(readProjectIndex);
      const projects = indexes.flatMap((one) => (typeof one === 'string' ? [] : [one.project]));
      const twice = projects.find((project, at) => projects.indexOf(project) !== at);
      return [
        ...indexes.flatMap((one) => (typeof one === 'string' ? [`environments.projectIndexes: ${one}`] : [])),
        ...(twice === undefined ? [] : [`environments.projectIndexes: '${twice}' comes from two indexes`]),
        ...(texts.length > 0 && read('environments.index') === 'none'
          ? ['environments.projectIndexes: nothing is built while environments.index is none']
          : []),
        ...(read('environments.indexForJobs') !== 'none' && read('environments.index') === 'none'
          ? ['environments.indexForJobs: there is no index for jobs while environments.index is none']
          : []),
        ...(read('environments.images') as readonly string[]).flatMap((text) => {
          const mapped = readMapped(text);
          return typeof mapped === 'string' ? [`environments.images: ${mapped}`] : [];
        }),
      ];
    },
  },
);
