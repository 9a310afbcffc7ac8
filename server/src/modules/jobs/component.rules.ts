// A command job that names a component: what the component says, with what the job gives. Pure.

import type { CommandJob, JobInput } from '@strongroom/contract/jobs';
import { type Component, checkValue, commandWith, isValueType, modeNamed } from '#assets';
import { jobsFailures } from './jobs.errors.ts';

/** Of a component, and never said beside it. */
const ofComponent = ['command', 'codeId', 'environmentId'] as const;

/** @throws Failure `invalid` for what does not fit the component */
export function withComponent(job: CommandJob, component: Component): CommandJob {
  const refuse = jobsFailures.ValidationError;
  if (component.type !== 'command')
    throw refuse(
      'componentId',
      `The component is of the type ${component.type}, and a command job runs one of the type command. Submit a pipeline job with it instead.`,
    );
  const said = ofComponent.find((name) => job[name] !== undefined);
  if (said !== undefined)
    throw refuse(
      said,
      `The job names a component, which says the ${said} itself. Leave one of componentId and ${said} out.`,
    );
  const given = job.inputs ?? {};
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(component.inputs, name));
  if (unknown !== undefined)
    throw refuse(
      `inputs.${unknown}`,
      `The component does not take '${unknown}'. It takes ${Object.keys(component.inputs).join(', ') || 'none'}.`,
    );
  const inputs: [string, JobInput][] = [];
  for (const [name, wanted] of Object.entries(component.inputs)) {
    const { type, default: usual, isOptional } = wanted;
    const input = Object.hasOwn(given, name) ? given[name] : undefined;
    if (input === undefined) {
      if (usual !== undefined) inputs.push([name, { jobInputType: 'literal', value: usual }]);
      else if (!isOptional) throw refuse('inputs', `The component needs the input '${name}'.`);
      continue;
    }
    if ((input.jobInputType === 'literal') !== isValueType(type))
      throw refuse(`inputs.${name}`, `The input '${name}' of the component is of the type ${type}.`);
    if (input.jobInputType === 'literal') checkValue(wanted, String(input.value ?? ''), `inputs.${name}`);
    inputs.push([name, input.jobInputType === 'literal' ? input : { ...modeIn(wanted), ...input }]);
  }
  const own = Object.entries(component.outputs).map(
    ([name, output]) =>
      [name, { ...modeIn(output), ...(job.outputs?.[name] ?? { jobOutputType: output.type }) }] as const,
  );
  const stray = Object.keys(job.outputs ?? {}).find((name) => !Object.hasOwn(component.outputs, name));
  if (stray !== undefined) throw refuse(`outputs.${stray}`, `The component has no output '${stray}'.`);
  const { codeId, environmentId, distribution, instanceCount, shmSize } = component;
  const resources = {
    ...(instanceCount === undefined ? {} : { instanceCount }),
    ...(shmSize === undefined ? {} : { shmSize }),
  };
  return {
    ...job,
    command: commandWith(component, (name) => inputs.some(([known]) => known === name)),
    ...(distribution === undefined || job.distribution !== undefined
      ? {}
      : { distribution: distribution as CommandJob['distribution'] & object }), // held to the rules of jobs next
    ...(Object.keys(resources).length === 0 ? {} : { resources: { ...resources, ...job.resources } }),
    ...(codeId === undefined ? {} : { codeId }),
    ...(environmentId === undefined ? {} : { environmentId }),
    inputs: Object.fromEntries(inputs),
    outputs: Object.fromEntries(own),
  };
}

const modeIn = ({ mode }: { readonly mode: string | undefined }) =>
  mode === undefined ? {} : { mode: modeNamed(mode) };
