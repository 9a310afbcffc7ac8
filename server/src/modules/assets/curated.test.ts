// How clients write environments of Azure.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { curatedName } from './curated.rules.ts';

test('an environment of a registry or of those that Azure curates is known by one name, however it is written', () => {
  const of = 'azureml://registries/azureml/environments/sklearn-1.5/labels/latest';
  for (const [written, name] of [
    [of, of],
    [of.slice('azureml:'.length), of],
    ['azureml://registries/my-own/environments/x/versions/3', 'azureml://registries/my-own/environments/x/versions/3'],
    ['azureml://registries/azureml/environments/x', 'azureml://registries/azureml/environments/x'],
    ['azureml:AzureML-lightgbm-3.3@latest', 'AzureML-lightgbm-3.3'],
    ['azureml:AzureML-sklearn-1.0:7', 'AzureML-sklearn-1.0'],
    ['AzureML-sklearn-1.0@latest', 'AzureML-sklearn-1.0'],
    ['azureml:mine:1', undefined],
    ['azureml:mine@latest', undefined],
    ['/subscriptions/s/resourceGroups/g/providers/p/workspaces/w/environments/AzureML-x/versions/1', undefined],
    ['azureml://registries/azureml/models/x/versions/1', undefined],
    ['azureml://registries/azureml/environments/../x/versions/1', undefined],
    ['azureml://registries/a/environments/x/labels/latest?y', undefined],
    ['', undefined],
  ] as const)
    assert.equal(curatedName(written), name, written);
});
