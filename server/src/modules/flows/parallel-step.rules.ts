// A parallel step as a command: the driver of the runner calls the function of the script over the input, with as many processes as
// all its instances would have. The processes are all on the node of the job. Pure.

import { isDeepStrictEqual } from 'node:util';
import type { CommandJob, JobInput } from '@strongroom/contract/jobs';
import { type ParallelComponent, type ParallelSettings, type ParallelTask, taskIn, textWith } from '#assets';
import { shellQuote } from '#jobs';
import { flowsFailures } from './flows.errors.ts';
import { isGiven, type Step } from './steps.rules.ts';

const refuse = flowsFailures.FlowValidationError;

/** Processes of one step, all of its instances together. */
export const workersMax = 64;
const driver = '/runner/parallel.py';
/** The runner is of the node, and no part of an image. */
const onlyHere = `[ -r ${driver} ] || { echo 'A parallel step is not run in an image of your own: name a conda file on strongroom/node-python.' >&2; exit 1; }`;

const settingsOf = ({ parallel }: Step, { settings }: ParallelComponent): ParallelSettings => ({
  ...settings,
  ...parallel,
});

const argumentsOf = (step: Step, component: ParallelComponent): string =>
  textWith(component, component.task.programArguments, (name) => isGiven(step, component, name));

/** What can be wrong with it beside its wires. */
export function checkParallel(step: Step, component: ParallelComponent): void {
  const at = `jobs.${step.name}`;
  const { instanceCount = 1, maxConcurrency = 1 } = settingsOf(step, component);
  if (instanceCount * maxConcurrency > workersMax)
    throw refuse(
      `${at}.max_concurrency_per_instance`,
      `The step '${step.name}' has ${instanceCount} instances with ${maxConcurrency} processes each, and there are at most ${workersMax} in all: they are on one node.`,
    );
  if (step.distribution !== undefined)
    throw refuse(`${at}.distribution`, `The step '${step.name}' is parallel, and has no distribution. Leave it out.`);
  if (step.componentId !== undefined && step.task !== undefined) checkTask(step, step.task, component);
  wordsOf(argumentsOf(step, component), at);
}

/** Clients say the task again beside the component. One that is another would be passed over. */
function checkTask({ name }: Step, task: Readonly<Record<string, unknown>>, component: ParallelComponent): void {
  const { code, environment, ...said } = task;
  const again: ParallelTask = taskIn(said, `\${{inputs.${component.task.inputData}}}`, component);
  const isOther = (given: unknown, own: string | undefined) =>
    typeof given === 'string' && /^(azureml:)?\/subscriptions\//.test(given) && given.replace(/^azureml:/, '') !== own;
  if (
    isDeepStrictEqual(again, component.task) &&
    !isOther(code, component.codeId) &&
    !isOther(environment, component.environmentId)
  )
    return;
  throw refuse(
    `jobs.${name}.task`,
    `The step '${name}' names a component, which says the task itself, and says another. Leave task out, or register a component with it.`,
  );
}

/** The command, and its inputs: of a table the files are brought, although its mode is direct. */
export function parallelRun(
  step: Step,
  component: ParallelComponent,
  inputs: Readonly<Record<string, JobInput>>,
): Required<Pick<CommandJob, 'command' | 'inputs'>> {
  const { entryScript, inputData, appendRowTo } = component.task;
  const settings = settingsOf(step, component);
  const { mode, ...split } = inputs[inputData] ?? { jobInputType: 'uri_folder' as const, mode: undefined };
  const isTable = mode === 'Direct';
  const at = `jobs.${step.name}`;
  if (isTable && split.jobInputType !== 'mltable')
    throw refuse(
      `${at}.inputs.${inputData}`,
      `A table is an mltable of the mode direct, and '${inputData}' is a ${split.jobInputType}.`,
    );
  if (!isTable && settings.partitionKeys !== undefined)
    throw refuse(
      `${at}.partition_keys`,
      `partition_keys split a table: an mltable of the mode direct, which '${inputData}' is not. Files are split by mini_batch_size.`,
    );
  const { instanceCount = 1, maxConcurrency } = settings;
  const plan = {
    entry: entryScript,
    type: isTable ? 'table' : split.jobInputType,
    keys: settings.partitionKeys,
    size: settings.miniBatchSize,
    // Not said: as many as the node has processors, for each instance.
    workers: maxConcurrency === undefined ? undefined : instanceCount * maxConcurrency,
    instances: instanceCount,
    retries: settings.maxRetries,
    timeout: settings.timeoutSeconds,
    itemThreshold: settings.errorThreshold,
    batchThreshold: settings.miniBatchErrorThreshold,
    level: settings.loggingLevel,
  };
  const words = wordsOf(argumentsOf(step, component), at);
  const rows = appendRowTo === undefined ? '-' : `\${{outputs.${appendRowTo.output}}}${appendRowTo.file}`;
  const command = `exec python3 -B ${driver} ${shellQuote(JSON.stringify(plan))} \${{inputs.${inputData}}} ${rows} -- ${words.join(' ')}`;
  return {
    command: `${onlyHere}\n${command.trim()}`,
    inputs: { ...inputs, [inputData]: isTable ? split : (inputs[inputData] ?? split) },
  };
}

const wordPart = /\s+|(\$\{\{[^{}]*\}\})|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/gsy;

/** The words of a command line as a shell reads them, each quoted again, with the placeholders in them left to be filled. */
export function wordsOf(text: string, at: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let end = 0;
  for (const match of text.matchAll(wordPart)) {
    end = match.index + match[0].length;
    const [whole, placeholder, single, double, escaped, plain] = match;
    if (/^\s/.test(whole)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else
      word = (word ?? '') + (placeholder ?? single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '');
  }
  if (end !== text.length)
    throw refuse(`${at}.task.program_arguments`, 'program_arguments has a quote that is not closed.');
  if (word !== undefined) words.push(word);
  return words.map((each) =>
    each === ''
      ? "''"
      : each
          .split(/(\$\{\{[^{}]*\}\})/)
          .map((part) => (part === '' || part.startsWith('${{') ? part : shellQuote(part)))
          .join(''),
  );
}
