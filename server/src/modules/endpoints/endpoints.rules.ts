// What endpoints and deployments must be before anything is made of them. Pure: what needs a look elsewhere is in the kinds.

import { readDurationSeconds } from '@strongroom/contract/duration';
import type { OnlineDeployment, OnlineEndpoint } from '@strongroom/contract/endpoints';
import { endpointsFailures } from './endpoints.errors.ts';
import { requestTimeoutSecondsMax } from './plan.rules.ts';

const variablesMax = 100;
/** In both ways in which Azure's clients write that a secret is to be put there. */
const secretMeant = /\$\{\{\s{0,8}(keyvault:|azureml:\/\/connections)/i;

export function checkEndpoint({ traffic }: OnlineEndpoint): void {
  const shares = Object.values(traffic ?? {});
  const names = Object.keys(traffic ?? {}).map((name) => name.toLowerCase());
  if (new Set(names).size !== names.length) throw endpointsFailures.namedTwice();
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum !== 0 && sum !== 100) throw endpointsFailures.sharesOff(sum);
}

export function checkDeployment(deployment: OnlineDeployment): void {
  const { codeConfiguration, scaleSettings, requestSettings } = deployment;
  if (codeConfiguration && (codeConfiguration.codeId ?? '') === '') throw endpointsFailures.codeMissing();
  if (scaleSettings && scaleSettings.scaleType !== 'Default') throw endpointsFailures.scaleType();
  const bounded = (name: 'requestTimeout' | 'maxQueueWait', example: string) => {
    const duration = requestSettings?.[name];
    if (duration === undefined) return;
    const seconds = readDurationSeconds(duration);
    if (seconds === undefined || seconds < 1 || seconds > requestTimeoutSecondsMax)
      throw endpointsFailures.duration(name, requestTimeoutSecondsMax, example);
  };
  bounded('requestTimeout', 'PT5S');
  bounded('maxQueueWait', 'PT0.5S');
  checkVariables(deployment.environmentVariables ?? {});
}

/** Names that a process knows. That no value is a credential, the resource manager sees to. */
function checkVariables(variables: Readonly<Record<string, string>>): void {
  const entries = Object.entries(variables);
  if (entries.length > variablesMax) throw endpointsFailures.tooManyVariables(variablesMax);
  for (const [name, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) throw endpointsFailures.variableName(name);
    if (/^(AZUREML_|MLFLOW_|STRONGROOM_)/i.test(name)) throw endpointsFailures.variableOfService(name);
    if (secretMeant.test(value)) throw endpointsFailures.variableOfSecret(name);
    if (value.includes('\0')) throw endpointsFailures.variableWithNul(name);
  }
}
