// What a version that is named says that an environment is made of: a recipe, a build context, or an image; and what the operator lets
// stand for a name that is not here. Decides nothing of whether it is there already.

import { nodePython } from '@strongroom/contract/assets';
import { registryActions } from '@strongroom/contract/registry.actions';
import { type Assets, type BuildContext, curatedName } from '#assets';
import { baseImageIn, isNamedIn } from '#images';
import { type ImageName, type Imports, readImageName, type Source, textOfImage } from '#imports';
import type { EnvironmentImage } from '#jobs';
import type { Grant, Grants } from '#kernel/authority/grant';
import { asFailure } from '#kernel/errors/failure';
import { parseResourceId, sameId } from '#kernel/ids/ids';
import { mediaTypes, repositoryScope } from '#registry';
import type { Resources } from '#resources';
import { type Workspace, type Workspaces, workspaceOf } from '#workspaces';
import type { ContextRecipe, Contexts } from './contexts.service.ts';
import { environmentsDuties } from './duties.ts';
import { environmentsFailures } from './environments.errors.ts';
import type { EnvironmentRegistry } from './environments.types.ts';
import { type ImageRecipe, imageRecipe } from './fetched-images.rules.ts';
import { environmentIn, type Mapped, targetOf } from './images.rules.ts';
import { type ReadRecipe, type Recipe, readRecipe } from './recipe.rules.ts';
import type { YamlReader } from './yaml.service.ts';

/** What is built: of packages, or of a Dockerfile. */
export type BuiltRecipe = Recipe | ContextRecipe;
export type AnyRecipe = BuiltRecipe | ImageRecipe;
export const isImage = (recipe: AnyRecipe): recipe is ImageRecipe => 'source' in recipe;
export const isOfContext = (recipe: BuiltRecipe): recipe is ContextRecipe => 'steps' in recipe;
export type Found = { readonly recipe: AnyRecipe; readonly digest: string; readonly remarks: readonly string[] };
/** A recipe, and the id of the version that says so. */
export type Named = Found & { readonly of: string };

export type NamedEnvironments = {
  /**
   * Undefined: the node's own Python, and nothing else. Throws `invalid` for what cannot be made, with what to do.
   * @param isFixed whether the tag of an image elsewhere is asked for what it means now; else such an image counts as nothing
   */
  read(
    grant: Grant,
    workspaceId: string,
    environmentId: string,
    isFixed?: boolean,
  ): Promise<Named | { readonly image: EnvironmentImage } | undefined>;
  /** Throws `invalid` where there is no package index for what it asks for. */
  withPackages(found: ReadRecipe): ReadRecipe;
};

export function createNamedEnvironments(deps: {
  readonly assets: Pick<Assets, 'environment'>;
  readonly resources: Pick<Resources, 'find'>;
  readonly workspaces: Workspaces;
  readonly registry: EnvironmentRegistry;
  readonly imports: Pick<Imports, 'closedTo' | 'fix'>;
  readonly grants: Pick<Grants, 'duty'>;
  readonly contexts: Contexts;
  readonly yaml: YamlReader;
  /** What nodes have, the one that is taken when none is asked for first. */
  readonly versions: () => Promise<readonly string[]>;
  readonly hasIndex: boolean;
  readonly map: readonly Mapped[];
  /** `localhost:8443`: registries are below it. */
  readonly domain: string;
}): NamedEnvironments {
  const { assets, workspaces, grants } = deps;

  /** What stands for an environment, by the operator's map where it is not here. */
  async function contentOf(grant: Grant, workspaceId: string, environmentId: string) {
    const curated = curatedName(environmentId);
    const name = curated ?? environmentId.split('/').at(-3) ?? '';
    const isAzures = curated !== undefined || (/^AzureML-/i.test(name) && !(await isHere(grant, environmentId)));
    if (!isAzures) return { ...(await assets.environment(grant, environmentId)), of: environmentId };
    const target = targetOf(deps.map, name);
    if (target === undefined) throw environmentsFailures.CuratedNotServed(curated ?? name);
    if (target === nodePython) return { image: undefined, condaFile: undefined, of: environmentId };
    return mappedContent(workspaceId, target);
  }

  /** What the operator lets stand for a name is for everybody who asks for that name, wherever it lies. */
  async function mappedContent(workspaceId: string, target: string) {
    const id = targetId(workspaceId, target);
    if (/^AzureML-/i.test(id.split('/').at(-3) ?? '') && !(await isHere(lookingAt(id), id)))
      throw environmentsFailures.MappedInCircle(target);
    return { ...(await assets.environment(lookingAt(id), id)), of: id };
  }

  const lookingAt = (id: string) => grants.duty(environmentsDuties.readMapped, id);

  async function isHere(grant: Grant, environmentId: string): Promise<boolean> {
    return (await deps.resources.find(grant, environmentId)) !== undefined;
  }

  function targetId(workspaceId: string, target: string): string {
    const found = environmentIn(target);
    if (found === undefined) throw new Error('a target of environments.images was not checked');
    return 'id' in found ? found.id : `${workspaceId}/environments/${found.name}/versions/${found.version}`;
  }

  /** An image of the workspace's registry is what runs, as its tag stands now; anything else is read for what it is made of. */
  async function read(
    grant: Grant,
    workspaceId: string,
    environmentId: string,
    isFixed = true,
  ): Promise<Named | { readonly image: EnvironmentImage } | undefined> {
    const workspace = await workspaces.get(grants.duty(environmentsDuties.prepare, workspaceId), workspaceId);
    const isOwn = (image: string | undefined): image is string =>
      image !== undefined && isNamedIn(workspace.containerRegistry, deps.domain, image);
    const { image, condaFile, of, build } = await contentOf(grant, workspaceId, environmentId);
    if (build !== undefined) return contextFrom(grant, workspace, build, of);
    if (isOwn(image)) return ownImage(workspace, image, condaFile);
    const elsewhere = image === undefined ? undefined : elsewhereFor(workspace, image);
    if (elsewhere !== undefined && typeof elsewhere !== 'string') {
      if (condaFile !== undefined) throw environmentsFailures.PackagesOnImage(image ?? '');
      return isFixed ? { ...imageRecipe(await deps.imports.fix(elsewhere)), of } : undefined;
    }
    const target = elsewhere;
    if (target !== undefined && target !== nodePython && condaFile === undefined) {
      const mapped = await mappedContent(workspaceId, target);
      if (isOwn(mapped.image)) return ownImage(workspace, mapped.image, mapped.condaFile);
      if (mapped.build !== undefined) return contextFrom(grant, workspace, mapped.build, mapped.of);
      if (mapped.image !== undefined) throw environmentsFailures.MappedInCircle(image ?? '');
      return recipeFrom(mapped.condaFile, mapped.of);
    }
    // An image that an environment stands for, with packages beside it, would lose the packages of the environment.
    if (target !== undefined && target !== nodePython) throw environmentsFailures.PackagesOnImage(image ?? '');
    return recipeFrom(condaFile, of);
  }

  async function contextFrom(grant: Grant, workspace: Workspace, build: BuildContext, of: string): Promise<Named> {
    if (!sameId(workspaceOf(of) ?? '', workspace.id)) throw environmentsFailures.contextElsewhere(of);
    const read = await deps.contexts.read(grant, workspace.id, build, (from) => baseFor(workspace, from));
    return { ...withIndex(read), of };
  }

  /** What stands for an image that is not here: what the operator says, or where it may be fetched from. */
  function elsewhereFor(workspace: Workspace, image: string): string | ImageName {
    const target = targetOf(deps.map, image);
    if (target !== undefined) return target;
    const name = readImageName(image);
    const closed = name === undefined ? 'byOperator' : deps.imports.closedTo(workspace, name);
    if (name !== undefined && closed === undefined) return name;
    if (name !== undefined && closed === 'byWorkspace')
      throw environmentsFailures.RegistryNotNamed(textOfImage(name), workspace.name, `${name.host}/${name.repository}`);
    const registry = parseResourceId(workspace.containerRegistry).name.toLowerCase();
    throw environmentsFailures.ImageNotServed(image, `${deps.domain}/${registry}`);
  }

  /** What a Dockerfile stands on that begins with this image. */
  async function baseFor(workspace: Workspace, image: string): Promise<EnvironmentImage | Source | typeof nodePython> {
    const isOwn = (name: string | undefined) =>
      name !== undefined && isNamedIn(workspace.containerRegistry, deps.domain, name);
    if (image === nodePython) return nodePython;
    if (isOwn(image)) return (await ownImage(workspace, image, undefined)).image;
    const target = elsewhereFor(workspace, image);
    if (typeof target !== 'string') return deps.imports.fix(target);
    if (target === nodePython) return nodePython;
    const mapped = await mappedContent(workspace.id, target);
    if (mapped.image !== undefined && isOwn(mapped.image))
      return (await ownImage(workspace, mapped.image, mapped.condaFile)).image;
    throw environmentsFailures.BaseImageRefused(
      image,
      `for which the operator lets ${target} stand. That is made of packages, and a Dockerfile begins with an image: have the operator map the name onto ${nodePython}, and install the packages by RUN pip install.`,
    );
  }

  /** Looked for as the workspace's identity, which is whose pull it will be. */
  async function ownImage(workspace: Workspace, image: string, condaFile: string | undefined) {
    if (condaFile !== undefined) throw environmentsFailures.PackagesOnImage(image);
    const registryId = workspace.containerRegistry;
    const { repository, reference } = baseImageIn(registryId, deps.domain, image);
    const pull = workspaces.asIdentity(workspace, registryActions.pull, registryId, 'look for the image of a job');
    const { digest, mediaType } = await deps.registry
      .getManifest(pull, registryId, repository, reference)
      .catch((thrown: unknown) => {
        const failure = asFailure(thrown);
        throw failure.kind === 'notFound' ? environmentsFailures.ImageMissing(image) : failure;
      });
    if (mediaType !== mediaTypes.ociManifest && mediaType !== mediaTypes.dockerManifest)
      throw environmentsFailures.ImageOfPlatforms(image);
    const pullScope = repositoryScope({ registry: registryId, repository });
    return { image: { registryId, repository, digest, pullScope } };
  }

  async function recipeFrom(condaFile: string | undefined, of: string): Promise<Named | undefined> {
    if (condaFile === undefined) return undefined;
    const file = { text: condaFile, yaml: await deps.yaml.read(condaFile) };
    return { ...withPackages(readRecipe(file, await deps.versions())), of };
  }

  function withIndex<Read extends Found>(found: Read): Read {
    if (!deps.hasIndex) throw environmentsFailures.NoPackageIndex();
    return found;
  }
  const withPackages = (found: ReadRecipe): ReadRecipe =>
    found.recipe.requirements.length > 0 ? withIndex(found) : found;

  return { read, withPackages };
}
