// What jobs that are made of other jobs refuse, before they exist and while they go on.

import { defineFailures } from '#kernel/errors/failures';

const at = (target: string, message: string) => ({ target: `properties.${target}`, message });

export const flowsFailures = defineFailures('flows', {
  FlowValidationError: {
    kind: 'invalid',
    code: 'ValidationError',
    meaning: 'A property of a job that is made of others has a value that is not taken.',
    remedy: 'Correct the property that the answer names as its target.',
    say: at,
  },
  EmptySpace: {
    kind: 'invalid',
    meaning: 'A sweep has nothing to try.',
    remedy: 'Give searchSpace a parameter.',
    say: () =>
      at(
        'searchSpace',
        'The search space is empty: name a parameter and its distribution, for example {"lr": ["uniform", [0.001, 0.1]]}.',
      ),
  },
  SpaceTooLarge: {
    kind: 'invalid',
    meaning: 'A sweep has more parameters than are served.',
    remedy: 'Leave out those that need not be searched.',
    say: (limit: number, where = '') =>
      at('searchSpace', `A search space${where === '' ? '' : ` ${where}`} has at most ${limit} parameters.`),
  },
  ParameterName: {
    kind: 'invalid',
    meaning: 'A parameter of a search space has a name that no input could have.',
    remedy: 'Choose a name of letters, digits, hyphens and underscores that begins with a letter.',
    say: (name: string) =>
      at(
        'searchSpace',
        `'${name.slice(0, 100)}' is no name of a parameter: it begins with a letter and has letters, digits, hyphens and underscores.`,
      ),
  },
  UnknownDistribution: {
    kind: 'invalid',
    meaning: 'A parameter has a distribution that is not known.',
    remedy: 'Send one of the forms that the message lists.',
    say: (name: string, kind: string, forms: readonly string[]) =>
      at(
        `searchSpace.${name}`,
        `'${kind.slice(0, 32)}' is no distribution of '${name}'. Take one of ${forms.join(', ')}.`,
      ),
  },
  WrongDistribution: {
    kind: 'invalid',
    meaning: 'A distribution has numbers or values that it does not take.',
    remedy: 'Correct the parameter that the answer names as its target.',
    say: (name: string, form: string, why: string) =>
      at(`searchSpace.${name}`, `The distribution of '${name}' is written ${form}: ${why}.`),
  },
  InfiniteGrid: {
    kind: 'invalid',
    meaning: 'A grid has a parameter whose values cannot be counted.',
    remedy: 'Give every parameter of a grid as a choice, or sample at random.',
    say: (name: string, kind: string) =>
      at(
        `searchSpace.${name}`,
        `A grid tries every combination, and '${name}' is of the distribution ${kind}, which has no end of values: give it as a choice, or take samplingAlgorithm random.`,
      ),
  },
  SobolTooWide: {
    kind: 'invalid',
    meaning: 'The Sobol rule was asked for more parameters than it is served for.',
    remedy: 'Take the rule random, or fewer parameters.',
    say: (limit: number) =>
      at(
        'samplingAlgorithm.rule',
        `The rule sobol is served for at most ${limit} parameters: take the rule random, or fewer parameters.`,
      ),
  },
  NotBayesian: {
    kind: 'invalid',
    meaning: 'Bayesian sampling was asked for over a distribution that it does not learn from.',
    remedy: 'Give the parameter one of the distributions that the answer names, or sample at random.',
    say: (name: string, kind: string, served: readonly string[]) =>
      at(
        `searchSpace.${name}`,
        `'${name}' is of the distribution ${kind}, and bayesian sampling learns from ${served.join(', ')}. Take one of those, or samplingAlgorithm random.`,
      ),
  },
  UnknownParameter: {
    kind: 'invalid',
    meaning: 'The command of a sweep names a parameter that its search space has not.',
    remedy: 'Name one that it has, or add it.',
    say: (name: string, known: readonly string[]) =>
      at(
        'trial.command',
        `The command holds \${{search_space.${name.slice(0, 100)}}}, and the search space has ${known.join(', ')}.`,
      ),
  },
  ParameterIsInput: {
    kind: 'invalid',
    meaning: 'A parameter of a search space has the name of an input.',
    remedy: 'Give one of them another name.',
    say: (name: string) =>
      at(
        `searchSpace.${name}`,
        `'${name}' is both an input and a parameter of the search space. Give one of them another name.`,
      ),
  },
  FlowNameTooLong: {
    kind: 'invalid',
    meaning: 'The name of a job leaves no room for the names of its children.',
    remedy: 'Choose a shorter name.',
    say: (limit: number) => ({
      target: 'name',
      message: `Children are named after their parent: a job that is made of others has a name of at most ${limit} characters.`,
    }),
  },
  ComponentCircle: {
    kind: 'invalid',
    meaning: 'Components of the type pipeline stand in each other in a circle.',
    remedy: 'Register one of them anew, without the others in it.',
    say: (names: readonly string[]) =>
      at(
        'jobs',
        `These components stand in each other: ${names.join(' → ').slice(0, 1_000)}. A pipeline has no circle.`,
      ),
  },
  TooManyLevels: {
    kind: 'invalid',
    meaning: 'Pipelines stand in each other deeper than is served.',
    remedy: 'Put the steps of one of them into another.',
    say: (limit: number) => at('jobs', `Pipelines stand in each other at most ${limit} deep, and these go deeper.`),
  },
  TooManySteps: {
    kind: 'invalid',
    meaning: 'A pipeline has more steps in all its levels than are served.',
    remedy: 'Submit it in parts.',
    say: (steps: number, limit: number) =>
      at(
        'jobs',
        `The pipeline has ${steps} steps through all its levels, and may have at most ${limit}. Submit it in parts.`,
      ),
  },
  TooManyWithin: {
    kind: 'invalid',
    meaning: 'More steps of a pipeline are pipelines and sweeps than are served.',
    remedy: 'Submit it in parts, or put the steps of small pipelines into larger ones.',
    say: (parents: number, limit: number) =>
      at(
        'jobs',
        `Of the steps of the pipeline, through all its levels, ${parents} are pipelines and sweeps, and at most ${limit} may be. Submit it in parts.`,
      ),
  },
  PartGone: {
    kind: 'conflict',
    meaning: 'A step is a pipeline, and the one that it stands in has ended.',
    remedy: 'Submit the outermost pipeline again.',
    say: (name: string) => `What '${name}' runs is not kept any more: the pipeline that it stands in has ended.`,
  },
  StepNamesTooLong: {
    kind: 'invalid',
    meaning: 'The names of steps in each other are longer than the name of a job.',
    remedy: 'Choose shorter names of steps.',
    say: (length: number, limit: number) =>
      at(
        'jobs',
        `A job bears the names of the steps that it stands in, which are ${length} characters here; a name has ${limit}. Choose shorter names of steps.`,
      ),
  },
  BoundedSubmitter: {
    kind: 'forbidden',
    meaning: 'A credential with bounds was to submit a job that goes on in the name of its holder.',
    remedy: 'Sign in, and submit it with a token of your own.',
    say: 'A job that is made of others goes on by your roles, and this credential reaches less than they do. Sign in, and submit it with a token of your own.',
  },
  TooManyFlows: {
    kind: 'conflict',
    meaning: 'As many jobs that are made of others are under way in the workspace as may be.',
    remedy: 'Wait until one of them has ended, or cancel one.',
    say: (limit: number) =>
      `There are ${limit} sweeps and pipelines under way in this workspace, and may be no more. Wait until one has ended, or cancel one.`,
  },
});
