// Runs the Python tests of the management code, with the interpreter that would run it, and checks what is shipped of it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { interpreterCandidates, runnerFiles } from './host.ts';

const folder = fileURLToPath(new URL('../../../runner/', import.meta.url));
const interpreter = interpreterCandidates()[0];
if (interpreter === undefined && process.env.CI === 'true') throw new Error('No python3 is installed below /usr.');

describe('the runner', () => {
  it('passes its own tests', { skip: interpreter === undefined && 'no python3 below /usr' }, async () => {
    const args = ['-B', '-m', 'unittest', 'discover', '-s', 'tests', '-t', '.'];
    const { error, output } = await new Promise<{ error: Error | null; output: string }>((resolve) => {
      execFile(interpreter ?? '', args, { cwd: folder, env: { LANG: 'C.UTF-8' } }, (error, stdout, stderr) =>
        resolve({ error, output: stdout + stderr }),
      );
    });
    assert.equal(error, null, output);
    assert.match(output, /Ran [1-9]\d* tests/);
  });

  it('is shipped without its tests, and imports nothing but the standard library and itself', () => {
    const files = runnerFiles();
    assert.ok(files.some(({ path }) => path === 'run.py'));
    assert.ok(files.some(({ path }) => path === 'compat/azureml/contrib/services/aml_request.py'));
    const standard =
      /^(asyncio|codecs|ctypes|errno|fcntl|gzip|hashlib|html|http|importlib|inspect|io|json|os|queue|random|re|resource|select|shutil|signal|socket|socketserver|ssl|stat|subprocess|sys|tarfile|tempfile|threading|time|traceback|urllib|uuid|xml|zipfile|zlib)(\.|$)/;
    /** In the process of the user's code, and of the environment: what these load there is not shipped. */
    const ofEnvironment: ReadonlyMap<string, string> = new Map([
      ['management/mlflow_model.py', '|^mlflow(\\.|$)'],
      ['management/parallel_input.py', '|^mltable$'],
      ['parallel_worker.py', '|^pandas$'],
    ]);
    for (const { path, content } of files) {
      assert.doesNotMatch(path, /tests|\.\.|__pycache__/);
      for (const [, name = ''] of content.toString('utf8').matchAll(/^\s*(?:import|from) ([\w.]+)/gm)) {
        assert.match(
          name,
          new RegExp(`${standard.source}|^(management|azureml)(\\.|$)|^\\.${ofEnvironment.get(path) ?? ''}`),
          `${path} imports ${name}`,
        );
      }
    }
  });
});
