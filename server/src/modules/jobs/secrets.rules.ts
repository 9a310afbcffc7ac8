// Which secrets a job's command gets in its environment: Azure's two ways to say it, read as one. The job holds references and
// never a value, so that whoever reads the job learns which secrets it uses and none of them. Pure.

import type { CommandJob } from '@strongroom/contract/jobs';
import { jobsFailures } from './jobs.errors.ts';

export type SecretReference = {
  /** Of the variable. */
  readonly name: string;
  /** The property that says so. */
  readonly property: 'secretsConfiguration' | 'environmentVariables';
} & ({ readonly uri: string } | { readonly inWorkspace: string });

const secretsMax = 20;
const refuse = jobsFailures.ValidationError;

/** As Azure's deployments have it, whose clients send a job's variables as they are. */
const reference = /^\s*\$\{\{\s{0,8}keyvault:([^\s{}]{1,1024})\s{0,8}\}\}\s*$/i;
const meant = /\$\{\{\s{0,8}(keyvault:|azureml:\/\/connections)/i;

/** What is said to whoever writes a credential into a job. */
export const secretInstead = `put it into a key vault, and let the command get it in its environment: secretsConfiguration {NAME: {workspaceSecretName: 'its name in the vault of the workspace'}}, or a variable whose value is \${{keyvault:https://VAULT.vault.HOST/secrets/ITS-NAME}}. Whoever submits the job needs the role Key Vault Secrets User there.`;

/** @throws Failure `invalid` for what looks like a reference and is none: the command would get it as a text. */
export function secretsIn(
  job: Pick<CommandJob, 'secretsConfiguration' | 'environmentVariables'>,
): readonly SecretReference[] {
  const variables = job.environmentVariables ?? {};
  const found: SecretReference[] = [];
  for (const [name, secret] of Object.entries(job.secretsConfiguration ?? {})) {
    const [uri, inWorkspace] = [secret.uri ?? '', secret.workspaceSecretName ?? ''];
    const property = 'secretsConfiguration';
    if ((uri === '') === (inWorkspace === ''))
      throw refuse(
        `${property}.${name}`,
        `The secret ${name.slice(0, 100)} needs either uri, its address, or workspaceSecretName, its name in the vault of the workspace.`,
      );
    if (inWorkspace !== '' && !/^[0-9a-zA-Z-]{1,127}$/.test(inWorkspace))
      throw refuse(`${property}.${name}.workspaceSecretName`, 'A secret has a name of letters, digits and hyphens.');
    if (Object.hasOwn(variables, name))
      throw refuse(`${property}.${name}`, `${name} is among environmentVariables too. Leave it out there.`);
    found.push(inWorkspace === '' ? { name, property, uri } : { name, property, inWorkspace });
  }
  for (const [name, value] of Object.entries(variables)) {
    const uri = reference.exec(value)?.[1];
    if (uri !== undefined) found.push({ name, property: 'environmentVariables', uri });
    else if (meant.test(value))
      throw refuse(
        `environmentVariables.${name}`,
        `The value of ${name.slice(0, 100)} refers to a secret in a way that is not served. The whole value is \${{keyvault:https://VAULT.vault.HOST/secrets/NAME}}; connections are not read by jobs.`,
      );
  }
  if (found.length > secretsMax) throw refuse('secretsConfiguration', `A job gets at most ${secretsMax} secrets.`);
  return found;
}

/** What a line of a longer value has at least, to be looked for by itself: a shorter one is found in what is no secret. */
const lineLengthMin = 8;
const linesMax = 300;

/** What must not stand in the log: the values, as they are and without the space around them, and the lines of long ones. */
export function redactedOf(values: readonly string[]): readonly string[] {
  const lines = values
    .filter((value) => value.trim().includes('\n'))
    .flatMap((value) => value.split('\n').map((line) => line.trim()))
    .filter((line) => line.length >= lineLengthMin);
  const wanted = [...values, ...values.map((value) => value.trim()), ...lines.slice(0, linesMax)];
  return [...new Set(wanted)].filter((value) => value !== '');
}
