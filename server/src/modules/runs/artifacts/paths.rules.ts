// Paths of artifacts, as strangers write them. A path is a list of plain names below the root of one run or model. Names are
// data: what a percent sign or a full-width letter in them could once be read as does no harm as long as it is a name. What
// could lead out of the folder, here or at whoever decodes or normalises once more, is refused: dot segments, absolute and
// Windows paths, URIs; and as sent, control characters. A path is never repaired: it is stored as it was sent or not at all.

import { isLongerThan, registeredName, registeredNumber } from '../names.rules.ts';
import { invalid, missingResource, runsFailures } from '../runs.errors.ts';

const pathCharactersMax = 900;
const decodingsMax = 8;

const wrong = runsFailures.artifactPath;

/** @throws Failure `invalid`. Answers the path itself, without a slash at its end. */
export function requireArtifactPath(path: string): string {
  if (isLongerThan(path, pathCharactersMax)) throw wrong(`it is longer than ${pathCharactersMax} characters`);
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path;
  requirePlain(trimmed);
  // A reader further on may decode once more than we did, so no form that it could end in may lead elsewhere.
  let form = trimmed;
  for (let round = 0; round < decodingsMax; round++) {
    requireInside(form);
    // Full-width dots and slashes become the real ones on file systems that normalise.
    requireInside(form.normalize('NFKC'));
    const decoded = decodedOnce(form);
    if (decoded === form) return trimmed;
    form = decoded;
  }
  throw wrong('it is percent-encoded too often');
}

/** Every `%hh` decoded; what is no escape, or no UTF-8, stays. */
function decodedOnce(text: string): string {
  return text.replace(/(%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

/** Of the path as it is stored. */
function requirePlain(path: string): void {
  if (!path.isWellFormed()) throw wrong('it is not well-formed Unicode');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused.
  if (/[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/.test(path))
    throw wrong('it holds a control character');
  if (path.includes('\\')) throw wrong('it holds a backslash');
  if (path.includes('#')) throw wrong('it holds a #');
  if (path.split('/').includes('')) throw wrong('it has an empty segment or begins with a slash');
}

/** Of every form that the path could be read in: a backslash is a slash to some. */
function requireInside(path: string): void {
  if (path.startsWith('~')) throw wrong('it begins with ~');
  if (/^[/\\]/.test(path)) throw wrong('it begins with a slash');
  if (/^[a-z][a-z0-9+.-]*:[/\\]/i.test(path)) throw wrong('it begins like a URI or a drive');
  for (const segment of path.split(/[/\\]/)) {
    if (segment === '.' || segment === '..') throw wrong('it has a dot segment');
    // Windows drops dots and spaces at the end of a name, and finds the parent behind `.. `.
    if (/^\.{1,2}[ .]*$/.test(segment)) throw wrong('a segment is dots and spaces');
  }
}

/** What a path of the proxy is about. */
export type ProxiedPath = {
  readonly experimentId: string;
  readonly owner: { readonly kind: 'run' | 'model'; readonly id: string };
  /** Below the root of the owner; empty is the root itself. */
  readonly path: string;
};

/** What a path of the proxy names of a registered version. */
export type RegisteredPath = { readonly name: string; readonly version: string; readonly path: string };

/** `registry/{name}/{version}/{path}`; undefined for what is of a run or a logged model. */
export function parseRegisteredPath(whole: string): RegisteredPath | undefined {
  const [root, name = '', version = '', ...path] = requireArtifactPath(whole).split('/');
  if (root !== 'registry') return undefined;
  if (!registeredName.test(name) || !registeredNumber.test(version))
    throw missingResource('There is no registered version at this path.');
  if (path.length > 0) requireArtifactPath(path.join('/'));
  return { name, version, path: path.join('/') };
}

/** `{experiment}/{run}/artifacts/{path}` or `{experiment}/models/{model}/artifacts/{path}`. */
export function parseProxiedPath(whole: string): ProxiedPath {
  const segments = requireArtifactPath(whole).split('/');
  const [experimentId = '', second = '', third = '', fourth = ''] = segments;
  const isModel = second === 'models';
  const root = isModel ? fourth : third;
  const id = isModel ? third : second;
  if (!/^(0|[1-9]\d{0,15})$/.test(experimentId) || root !== 'artifacts' || id === '') {
    throw invalid(
      'Invalid path: artifacts are below {experiment}/{run}/artifacts or {experiment}/models/{model}/artifacts.',
      'path',
    );
  }
  const path = segments.slice(isModel ? 4 : 3).join('/');
  // Again by itself: a drive letter, say, is only at the beginning of what is left.
  if (path !== '') requireArtifactPath(path);
  return { experimentId, owner: { kind: isModel ? 'model' : 'run', id }, path };
}

/** Where the blobs of a run are in the workspace's artifact container; ends with a slash. */
export { artifactPrefix as runPrefix, loggedModelPrefix as modelPrefix } from '#workspaces';
