// Environments that are of no workspace: those of a registry of Azure, and those that Azure curates in every workspace. Clients
// write them in several ways, with `azureml:` before them and without. Pure.

const name = '[A-Za-z0-9][\\w.-]{0,254}';
const ofRegistry = new RegExp(
  `^(?:azureml:)?(//registries/[\\w-]{1,64}/environments/${name}(?:/(?:versions|labels)/${name})?)$`,
  'i',
);
const inShort = new RegExp(`^(?:azureml:)?(AzureML-${name})(?:[:@]${name})?$`, 'i');

/** `azureml://registries/…` or `AzureML-…`: the name that an operator can say something about. Undefined for all others. */
export function curatedName(environmentId: string): string | undefined {
  const [, path] = ofRegistry.exec(environmentId) ?? [];
  return path === undefined ? inShort.exec(environmentId)?.[1] : `azureml:${path}`;
}
