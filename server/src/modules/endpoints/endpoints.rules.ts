// What endpoints and deployments must be before anything is made of them. Pure: what needs a look elsewhere is in the kinds.

import { readDurationSeconds } from '@strongroom/contract/duration';
import type { OnlineDeployment, OnlineEndpoint } from '@strongroom/contract/endpoints';
import { endpointsFailures } from './endpoints.errors.ts';
import { requestTimeoutSecondsMax } from './plan.rules.ts';

const variablesMax = 100;

export function checkEndpoint({ traffic }: OnlineEndpoint): void {
  const shares = Object.values(traffic ?? {});
  const names = Object.keys(traffic ?? {}).map((name) => name.toLowerCase());
  if (new Set(names).size !== names.length)
    throw endpointsFailures.ValidationError(
      'traffic',
      'The traffic names a deployment twice, in another casing. Name it once.',
    );
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum !== 0 && sum !== 100)
    throw endpointsFailures.ValidationError(
      'traffic',
      `The shares of traffic add up to ${sum}; they must add up to 0 or 100.`,
    );
}

export function checkDeployment(deployment: OnlineDeployment): void {
  const { codeConfiguration, scaleSettings, requestSettings } = deployment;
  if (codeConfiguration?.codeId === undefined || codeConfiguration.codeId === '')
    throw endpointsFailures.ValidationError(
      'codeConfiguration',
      'A deployment needs codeConfiguration with codeId and scoringScript: the script that loads the model and scores.',
    );
  if (scaleSettings && scaleSettings.scaleType !== 'Default')
    throw endpointsFailures.ValidationError(
      'scaleSettings.scaleType',
      "Deployments are scaled by sku.capacity: scaleSettings.scaleType must be 'Default'.",
    );
  const bounded = (name: 'requestTimeout' | 'maxQueueWait', example: string) => {
    const duration = requestSettings?.[name];
    if (duration === undefined) return;
    const seconds = readDurationSeconds(duration);
    if (seconds === undefined || seconds < 1 || seconds > requestTimeoutSecondsMax)
      throw endpointsFailures.ValidationError(
        `requestSettings.${name}`,
        `requestSettings.${name} is an ISO 8601 duration of at most ${requestTimeoutSecondsMax} seconds, for example ${example}.`,
      );
  };
  bounded('requestTimeout', 'PT5S');
  bounded('maxQueueWait', 'PT0.5S');
  checkVariables(deployment.environmentVariables ?? {});
}

/** Names that a process knows. That no value is a credential, the resource manager sees to. */
function checkVariables(variables: Readonly<Record<string, string>>): void {
  const entries = Object.entries(variables);
  const wrong = (name: string, message: string) =>
    endpointsFailures.ValidationError(`environmentVariables.${name.slice(0, 100)}`, message);
  if (entries.length > variablesMax)
    throw endpointsFailures.ValidationError('environmentVariables', `At most ${variablesMax} environment variables.`);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name))
      throw wrong(name, `'${name.slice(0, 100)}' is no name of an environment variable.`);
    if (/^(AZUREML_|MLFLOW_|STRONGROOM_)/i.test(name))
      throw wrong(name, `${name} is set by the service; choose another name.`);
    if (value.includes('\0')) throw wrong(name, `The value of ${name} holds a NUL character.`);
  }
}
