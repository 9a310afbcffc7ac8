// Where a registered version comes from, as a client says it. What is taken is files of this workspace alone: a run's, a
// logged model's, another version's, or what the assets module knows by an `azureml://` URI. Everything else (files of the
// server, addresses of other hosts, clouds) is refused by its form, before anything is looked up. Pure.

import { parseProxiedPath, requireArtifactPath } from '../artifacts/paths.rules.ts';
import { requireRunId } from '../names.rules.ts';
import { runsFailures } from '../runs.errors.ts';

export type Source =
  | { readonly kind: 'run'; readonly runId: string; readonly experimentId: string | undefined; readonly path: string }
  | { readonly kind: 'loggedModel'; readonly modelId: string; readonly experimentId: string | undefined }
  | { readonly kind: 'version'; readonly name: string; readonly version: string }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'prompt' };

const charactersMax = 2048;
/** What clients name as the source of a prompt, which has no files. */
const promptSources: readonly string[] = ['dummy-source', 'prompt-template'];
const wrong = runsFailures.modelSource;

export function parseSource(source: string): Source {
  if (source.length > charactersMax) throw wrong();
  if (promptSources.includes(source)) return { kind: 'prompt' };
  // One colon and one slash: with two slashes a host follows, which would be another server.
  const found = /^(runs|models|mlflow-artifacts):\/(?!\/)(.+)$/.exec(source);
  if (found === null) {
    if (/^azureml:\/\/[a-z]/.test(source)) return { kind: 'uri', uri: source };
    throw wrong();
  }
  const [, scheme = '', rest = ''] = found;
  if (/[?;]/.test(rest)) throw wrong();
  if (scheme === 'models') return parseModels(rest);
  const whole = requireArtifactPath(rest);
  if (scheme === 'runs') {
    const [runId = '', ...path] = whole.split('/');
    requireRunId(runId, 'source');
    return { kind: 'run', runId, experimentId: undefined, path: path.join('/') };
  }
  const { experimentId, owner, path } = parseProxiedPath(whole);
  if (owner.kind === 'run') return { kind: 'run', runId: owner.id, experimentId, path };
  if (path !== '' || !loggedModel.test(owner.id)) throw wrong();
  return { kind: 'loggedModel', modelId: owner.id, experimentId };
}

const loggedModel = /^m-[0-9a-f]{32}$/;

function parseModels(rest: string): Source {
  if (loggedModel.test(rest)) return { kind: 'loggedModel', modelId: rest, experimentId: undefined };
  const [, name, version] = /^([^/:@]{1,255})\/([1-9]\d{0,17})$/.exec(rest) ?? [];
  if (name === undefined || version === undefined) throw wrong();
  return { kind: 'version', name, version };
}
