// What MLflow has and this does not serve, by name: a client that is told "nothing at this path" leaves its user to guess whether
// the address, the version or the product is wrong. Pure.

/** What stands behind `api/{version}/mlflow`, by its first words, and what it is. */
export const families: Readonly<Record<string, string>> = {
  traces: 'Traces and their assessments are',
  'unified-traces': 'Traces and their assessments are',
  'get-online-trace-details': 'Traces and their assessments are',
  'get-trace-artifact': 'Traces and their assessments are',
  datasets: 'Evaluation data sets are',
  issues: 'Issues are',
  scorers: 'Scorers are',
  'label-schemas': 'Label schemas are',
  'review-queues': 'Review queues are',
  gateway: 'The AI gateway is',
  'gateway-proxy': 'The AI gateway is',
  webhooks: 'Webhooks are',
  workspaces: "MLflow's own workspaces are",
  'prompt-optimization': 'Prompt optimisation is',
  'runs/create-promptlab-run': 'The prompt lab is',
  graphql: 'GraphQL is',
  jobs: "MLflow's own jobs are",
  assistant: 'The assistant is',
  'upload-artifact': "The upload of MLflow's pages is",
  'get-artifact': "The download of MLflow's pages is",
  'model-versions/get-artifact': "The download of MLflow's pages is",
  'artifacts/presigned-upload-url': 'Presigned addresses are',
  'artifacts/presigned-download-url': 'Presigned addresses are',
};

const familyOf = (tail: readonly string[]): string | undefined =>
  [tail.slice(0, 2).join('/'), tail[0] ?? ''].find((name) => Object.hasOwn(families, name));

/** The path that answers for a family that is not served, or undefined. */
export function unservedTail(tail: readonly string[]): readonly string[] | undefined {
  const family = familyOf(tail);
  return family === undefined ? undefined : ['unserved', ...family.split('/')];
}
