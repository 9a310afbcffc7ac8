// What is refused of an environment that would have to be made, and of builds while they run.

import { nodePython } from '@strongroom/contract/assets';
import { defineFailures } from '#kernel/errors/failures';

const at = (message: string) => ({ target: 'properties.environmentId', message });
const short = (text: string, most = 200) => text.slice(0, most);

export const environmentsFailures = defineFailures('environments', {
  EnvironmentNotBuildable: {
    kind: 'invalid',
    meaning: 'A conda file or a list of requirements asks for something that no environment is made of here.',
    remedy: 'Change the entry that the message names, and register another version.',
    say: (entry: string, why: string) => at(`The environment cannot be made: '${short(entry)}' ${why}`),
  },
  DockerfileRefused: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'A Dockerfile says something that no image is built of here.',
    remedy: 'Change the line that the message names; or build the image elsewhere, push it and name it.',
    say: (where: string, why: string) =>
      at(
        `The Dockerfile is not built${where === '' ? '' : `, ${short(where)}`}: ${where === '' ? '' : 'it '}${short(why, 400)}`,
      ),
  },
  contextMissing: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning:
      'The files of a build context are not here: it was registered with an address that is none of this workspace.',
    remedy: 'Register a version whose context is a folder; clients upload it.',
    say: (address: string) =>
      at(
        `The build context '${short(address)}' is not in a datastore of this workspace, and nothing is fetched from elsewhere. Register another version with the folder itself as the path of its build; clients upload it.`,
      ),
  },
  contextElsewhere: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'The build context of an environment is in another workspace than what runs in it.',
    remedy: 'Register the same folder as an environment of the workspace that uses it.',
    say: (id: string) =>
      at(
        `The build context of '${short(id, 300)}' is in another workspace, which a build of this one does not read. Register the same folder as an environment of this workspace.`,
      ),
  },
  contextFile: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'A file that a build needs is not in its context, or cannot be read.',
    remedy: 'Put it into the folder, or correct its name, and register another version.',
    say: (path: string, why: string) => at(`The environment cannot be built: '${short(path)}' ${short(why, 400)}`),
  },
  BaseImageRefused: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'The image that a Dockerfile begins with cannot be built on here.',
    remedy: 'Begin with another image, or do what the message says.',
    say: (image: string, why: string) => at(`The Dockerfile begins with '${short(image)}', ${short(why, 400)}`),
  },
  condaFile: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'A conda file is not one.',
    remedy: 'Send a mapping with a list of dependencies.',
    say: (why: string) => at(`The environment cannot be made: its conda file ${short(why, 400)}`),
  },
  environmentFile: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'The file with the environment of a model is none as MLflow writes it.',
    remedy: 'Log the model again, or name an environment of your own.',
    say: (why: string) => at(`The environment cannot be made: its file ${short(why, 400)}`),
  },
  ofModel: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'The environment that a model brings cannot be made here.',
    remedy: 'Name an environment of your own with the deployment, or log the model again with other requirements.',
    say: (path: string, why: string) => ({
      target: 'properties.model',
      message: `The model brings its environment in the file '${short(path)}'. ${short(why, 600)} Or name an environment of your own with the deployment.`,
    }),
  },
  ModelNotServed: {
    kind: 'invalid',
    meaning: 'A deployment without a scoring script names a model that is not one that MLflow has written.',
    remedy: 'Register the folder that holds MLmodel, as MLflow has written it; or bring a scoring script.',
    say: (why: string) => ({
      target: 'properties.model',
      message: `The model cannot be served without a scoring script: ${short(why, 500)}`,
    }),
  },
  TooManyFiles: {
    kind: 'throttled',
    say: 'Too many files of environments are being read at once. Try again in a moment.',
  },
  pythonNotOffered: {
    kind: 'invalid',
    code: 'EnvironmentNotBuildable',
    meaning: 'An environment asks for a version of Python that no node has.',
    remedy:
      'Ask for one that the message lists, or have the operator install another one where the agent runs, below /usr or /opt, or name it in agent.pythons.',
    say: (asked: string, offered: readonly string[]) =>
      at(
        `The environment asks for Python ${short(asked, 60)}, and the nodes here have ${offered.join(', ')}. Write python=${offered[0] ?? '3'}, or have the operator install that version where the agent runs, below /usr or /opt, or name it in agent.pythons.`,
      ),
  },
  ImageNotServed: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'An environment stands on an image of another registry, which the operator of the server does not permit.',
    remedy: `Copy it into the registry of the workspace, name '${nodePython}' as the image, or have the operator permit its registry in environments.registries, or say in environments.images what stands for it.`,
    say: (image: string, registry: string) =>
      at(
        `The image '${short(image)}' is not here. Copy it into the registry of the workspace (skopeo copy docker://${short(image)} docker://${registry}/NAME:TAG) and name it there; or name '${nodePython}' as the image, with packages beside it (in YAML environment: {image: ${nodePython}, conda_file: …}); or the operator permits its registry in the setting environments.registries, and the workspace names it as well; or he says in the setting environments.images what stands for it, for example '${short(image.replace(/[:@].*$/, ''), 120)}*=${nodePython}'.`,
      ),
  },
  RegistryNotNamed: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning:
      'An environment stands on an image of another registry that the operator permits and the workspace does not name.',
    remedy:
      'Have the workspace name the registry (imageRegistries), or copy the image into the registry of the workspace.',
    say: (image: string, workspace: string, pattern: string) =>
      at(
        `The image '${short(image)}' is not fetched: the workspace does not name its registry, which the operator of the server permits. Who manages the workspace names it (strongroom workspace update ${short(workspace, 60)} --image-registry ${short(pattern)}, or imageRegistries of the workspace); or copy the image into the registry of the workspace (skopeo copy).`,
      ),
  },
  FetchRuleGone: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'An image was to be fetched from a registry that the operator or the workspace permits no longer.',
    remedy: 'Have the registry permitted again and submit again, or copy the image into the registry of the workspace.',
    say: (image: string, who: string) =>
      at(
        `The image '${short(image)}' is not fetched: ${who} permits its registry no longer. Nothing was asked of it since. Have it permitted again and submit again, or copy the image into the registry of the workspace.`,
      ),
  },
  FetchInterrupted: {
    kind: 'invalid',
    code: 'ImageNotFetched',
    meaning: 'The server ended again and again while it fetched an image.',
    remedy: 'Submit again; where it happens again, look into the log of the server.',
    say: (image: string, times: number) =>
      at(
        `The server ended ${times - 1} times while it fetched the image '${short(image)}'. Submit again; where it happens again, whoever runs the server looks into its log.`,
      ),
  },
  ImageFetchFailed: {
    kind: 'invalid',
    meaning: 'The image of a deployment could not be fetched from another registry.',
    remedy: 'The message says why, and what to do.',
    say: (why: string) => at(short(why, 900)),
  },
  ImageStillFetched: {
    kind: 'conflict',
    meaning: 'The image of a deployment takes longer to fetch than a deployment waits.',
    remedy: 'Deploy again: what has arrived is not fetched again.',
    say: (image: string, minutes: number) =>
      at(
        `The image '${short(image)}' is being fetched for more than ${minutes} minutes. Deploy again: what has arrived is not fetched again.`,
      ),
  },
  ImageMissing: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'The registry of the workspace does not hold the image that an environment names.',
    remedy: 'Push it there first, or name a tag or digest that is there.',
    say: (image: string) =>
      at(`The image '${short(image)}' is not in the registry of the workspace. Push it there first.`),
  },
  ImageOfPlatforms: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'An environment names an index of images for several platforms, or something that is no image.',
    remedy: 'Push the image of one platform, or name it by its own digest.',
    say: (image: string) =>
      at(
        `'${short(image)}' is a list of images for several platforms, or none. Push the one of the nodes' platform (skopeo copy without --all), or name it by its own digest.`,
      ),
  },
  PackagesOnImage: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'An environment names packages to be put on an image, which is not done here.',
    remedy: `Put the packages into the image, or name '${nodePython}' as the image.`,
    say: (image: string) =>
      at(
        `Packages are not installed on the image '${short(image)}'. Put them into the image and leave the conda file out, or name '${nodePython}' as the image.`,
      ),
  },
  CuratedNotServed: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'An environment of a registry of Azure, or one that Azure curates, is not here.',
    remedy: 'Register one with a conda file of your own, or have the operator map the name to one of his.',
    say: (name: string) =>
      at(
        `The environment '${short(name)}' is one of Azure's and is not here. Register one of your own with a conda file (image: ${nodePython}, conda_file: …), or the operator maps the name to his own in the setting environments.images, for example '${short(name, 120)}=azureml:NAME:VERSION'.`,
      ),
  },
  MappedInCircle: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'What the operator says stands for an environment stands for another in its turn.',
    remedy: 'The operator names, in environments.images, a version that is not mapped itself.',
    say: (name: string) => at(`What stands for '${short(name)}' by the setting environments.images is mapped itself.`),
  },
  NoPackageIndex: {
    kind: 'invalid',
    code: 'EnvironmentNotServed',
    meaning: 'An environment needs packages, and this server has no package index.',
    remedy: 'The operator sets environments.index; until then bring wheels with the code.',
    say: () =>
      at(
        "No environment is built here: the setting environments.index is 'none'. The operator sets it to the address of a package index, for example https://pypi.org/simple/.",
      ),
  },
  NodesStarting: {
    kind: 'unavailable',
    meaning:
      'Which versions of Python the nodes have is not known yet: no agent has reported since the server started.',
    remedy: 'Try again in a moment.',
    say: () => 'No compute agent has reported yet, so it is not known which versions of Python there are. Try again.',
  },
  EnvironmentBuildFailed: {
    kind: 'invalid',
    meaning: 'The environment of a deployment could not be built.',
    remedy: 'Read the log of the build that the message names.',
    say: (build: string, why: string) =>
      at(`The environment could not be built: ${short(why, 600)} The log is that of the job '${build}'.`),
  },
  EnvironmentStillBuilding: {
    kind: 'conflict',
    meaning: 'The environment of a deployment takes longer to build than a deployment waits.',
    remedy: 'Deploy again when the build has completed.',
    say: (build: string, minutes: number) =>
      at(
        `The environment is being built for more than ${minutes} minutes, by the job '${build}', which goes on. Deploy again when it has completed.`,
      ),
  },
  NotABuild: {
    kind: 'forbidden',
    code: 'AuthorizationFailed',
    say: 'Only the build of an environment that runs now may ask for packages, and for nothing but its own.',
  },
  NotThisRun: {
    kind: 'forbidden',
    code: 'AuthorizationFailed',
    say: 'Only a job that runs may ask for packages, and only while its workspace and the operator let it (jobPackageIndex, environments.indexForJobs).',
  },
  PackageLimit: {
    kind: 'throttled',
    meaning: 'A build or a job has asked for more files, or more bytes, of the package index than one may.',
    remedy: 'Name exact versions, so that fewer are tried, or split the environment.',
    say: (who: string, what: string) => `This ${who} has asked for too much: ${what}.`,
  },
  ProjectNotFound: {
    kind: 'notFound',
    meaning: 'The package index has no such project, or not this file of it.',
    remedy: 'Check the name.',
    say: (name: string) => `The package index has no '${short(name)}'.`,
  },
  IndexUnavailable: {
    kind: 'dependency',
    meaning: 'The package index did not answer, or not as one does.',
    remedy: 'Look whether the server reaches the address in environments.index.',
    say: (why: string) => `The package index could not be asked: ${short(why, 300)}.`,
  },
  ResultRefused: {
    kind: 'invalid',
    meaning: 'What a build has sent is no environment.',
    remedy: 'Read the log of the build; a package may have left what an image cannot hold.',
    say: (why: string) => `The result of the build is refused: ${short(why, 400)}.`,
  },
  ResultTaken: { kind: 'conflict', say: 'This build has sent its result already.' },
});
