// Dockerfiles as they are read: what is done, in one normal form; what is not, refused with its line; and nothing that a stranger
// writes makes the reader slow or lets it say something else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '#kernel/errors/failure';
import { type BaseConfig, buildOf, stageOf } from './build-steps.rules.ts';
import { readDockerfile } from './dockerfile.rules.ts';

const base: BaseConfig = {
  environment: new Map([
    ['PATH', '/env/bin:/bin'],
    ['FROM_BASE', 'yes'],
  ]),
  workingDir: '/',
  shell: undefined,
  config: {},
};
const files = ['Dockerfile', 'requirements.txt', 'a.txt', 'b.txt', 'src/main.py', 'src/deep/x.py', 'data.tar.gz'];
const read = (text: string, over: Partial<BaseConfig> = {}) => {
  const stage = stageOf(readDockerfile(Buffer.from(text)));
  return { image: stage.image, ...buildOf(stage.rest, { ...base, ...over }, files) };
};
const steps = (text: string) => read(`FROM x\n${text}`).steps.map(({ line: _, text: __, ...step }) => step);
const refused = (text: string, words: RegExp) =>
  assert.throws(
    () => read(text),
    (thrown: unknown) => {
      assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
      assert.match(thrown.message, words);
      return true;
    },
    text.slice(0, 200),
  );

describe('a Dockerfile', () => {
  it('as the public examples have them comes to its steps, with the line of each', () => {
    const {
      image,
      steps: found,
      config,
    } = read(
      '#FROM mcr.microsoft.com/x\nFROM python:3.8\n\n# python installs\nCOPY requirements.txt .\nRUN pip install -r requirements.txt && rm requirements.txt\n\n# set command\nCMD ["bash"]\n',
    );
    assert.equal(image, 'python:3.8');
    assert.deepEqual(
      found.map(({ line, text }) => [line, text]),
      [
        [5, 'COPY requirements.txt .'],
        [6, 'RUN pip install -r requirements.txt && rm requirements.txt'],
      ],
    );
    assert.deepEqual(config, { Cmd: ['bash'] });
  });

  it('goes on over lines, over comments and empty lines within them, with any end of line', () => {
    const [step] = steps("RUN a \\\r\n# a comment\r\n\r\n  b \\  \r\n  'c # no comment'\r\n");
    assert.deepEqual(step?.do === 'run' && step.argv, ['/bin/sh', '-c', "a   b   'c # no comment'"]);
  });

  it('is found again however it is written', () => {
    const one = steps('env A=1\nrun  true\nworkdir /a/../b\ncopy ["a.txt", "./"]');
    assert.deepEqual(one, steps('# a comment\nENV A="1"\nRUN true\nWORKDIR b/.\nCOPY a.txt ./'));
  });

  it('puts variables in, each instruction with what was before it, ENV over ARG', () => {
    const { environment, steps: found } = read(
      `ARG TAG=1\nFROM x:\${TAG}\nARG A=a\nENV B=$A C="\${A}-\${NONE:-d$A}" D='$A' E=\\$A\nENV B=new A2=$B\nENV LEGACY  two words\nENV A=over\nARG A=under\nENV PATH=/app:$PATH\nRUN true`,
    );
    assert.deepEqual(environment, {
      ...{ B: 'new', C: 'a-da', D: '$A', E: '$A', A2: 'a', LEGACY: 'two words', A: 'over', PATH: '/app:/env/bin:/bin' },
    });
    const [run] = found;
    assert.equal(run?.do === 'run' && run.environment['A'], 'over');
    assert.equal(run?.do === 'run' && run.environment['FROM_BASE'], 'yes');
    assert.equal(read(`ARG TAG=1\nFROM x:\${TAG}`).image, 'x:1');
  });

  it('keeps in the configuration what means nothing to a job', () => {
    const { config } = read(
      'FROM x\nUSER me\nEXPOSE 80 53/udp\nSTOPSIGNAL SIGINT\nLABEL a=b "c d"="e f"\nMAINTAINER somebody\nHEALTHCHECK --interval=1m30s --retries=2 CMD curl x\nENTRYPOINT run it\nCMD ["a"]\nSHELL ["/bin/bash", "-c"]',
    );
    assert.deepEqual(config, {
      User: 'me',
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      StopSignal: 'SIGINT',
      Labels: { a: 'b', 'c d': 'e f', maintainer: 'somebody' },
      Healthcheck: { Test: ['CMD-SHELL', 'curl x'], Interval: 9e10, Retries: 2 },
      Entrypoint: ['/bin/sh', '-c', 'run it'],
      Cmd: ['a'],
      Shell: ['/bin/bash', '-c'],
    });
  });

  it('copies what lies in the context, by name, by folder and by pattern', () => {
    const sources = (text: string) => {
      const [step] = steps(text);
      return step?.do === 'copy' ? [step.sources, step.to, step.isFolder] : [];
    };
    assert.deepEqual(sources('COPY src /app'), [['src'], '/app', false]);
    assert.deepEqual(sources('WORKDIR /w\nCOPY . .').length, 0);
    assert.deepEqual(sources('COPY ./src//deep/ app/'), [['src/deep'], '/app', true]);
    assert.deepEqual(sources('COPY *.txt /x/'), [['a.txt', 'b.txt', 'requirements.txt'], '/x', true]);
    assert.deepEqual(sources('COPY /a.txt /x'), [['a.txt'], '/x', false]);
    assert.deepEqual(sources('COPY / /x'), [[''], '/x', false]);
    assert.deepEqual(sources(`ARG N=a\nCOPY \${N}.txt ../../x`), [['a.txt'], '/x', false]);
  });
});

describe('refused by its line', () => {
  for (const [text, words] of [
    ['', /line 1: FROM.*is missing/],
    ['RUN true\nFROM x', /line 1: RUN.*stands before FROM/],
    ['FROM scratch', /nothing in it/],
    ['FROM x\nRUN true\nFROM y', /line 3: FROM.*another stage/],
    ['FROM --platform=linux/amd64 x', /--platform/],
    ['FROM x AS', /FROM IMAGE AS NAME/],
    ['# syntax=docker/dockerfile:1\nFROM x', /line 1: # syntax/],
    ['# escape=`\nFROM x', /line 1: # escape/],
    ['FROM x\nRUN --mount=type=secret,id=x cat', /line 2: RUN --mount/],
    ['FROM x\nRUN --network=host curl', /line 2: RUN --network/],
    ['FROM x\nRUN <<EOF\ntrue\nEOF', /line 2: RUN <<EOF.*here-document/],
    ['FROM x\nCOPY <<-"E" /x\nE', /here-document/],
    ['FROM x\nCOPY --from=y /a /b', /line 2: COPY --from/],
    ['FROM x\nCOPY ../a /b', /climbs out/],
    ['FROM x\nCOPY src/../../a /b', /climbs out/],
    ['FROM x\nCOPY nowhere /b', /COPY nowhere.*is not in the context/],
    ['FROM x\nCOPY [ab].txt /b/', /set of characters/],
    ['FROM x\nCOPY a.txt b.txt /x', /several files to one/],
    ['FROM x\nCOPY --chmod=4755 a.txt /x', /--chmod=4755/],
    ['FROM x\nCOPY a.txt', /COPY SOURCE/],
    ['FROM x\nADD https://example.org/x /x', /is an address/],
    ['FROM x\nADD git@example.org:x /x', /is an address/],
    ['FROM x\nADD data.tar.gz /x', /is an archive/],
    ['FROM x\nVOLUME /data', /line 2: VOLUME/],
    ['FROM x\nONBUILD RUN true', /line 2: ONBUILD/],
    ['FROM x\nENV DB_PASSWORD=hunter2hunter2', /line 2: ENV DB_PASSWORD.*looks like a password/],
    ['FROM x\nARG GITHUB=ghp_abcdefghijklmnopqrstuvwxyz0123456789', /line 2: ARG GITHUB.*GitHub token/],
    ['ARG GITHUB=ghp_abcdefghijklmnopqrstuvwxyz0123456789\nFROM x', /line 1: ARG GITHUB.*GitHub token/],
    ['FROM x\nARG TARGETARCH', /TARGETARCH.*not set here/],
    [`FROM x\nENV A=\${B#c}`, /is not served: a variable is/],
    ['FROM x\nENV A=${', /names no variable/],
    ['FROM x\nENV A="b', /not closed/],
    ['FROM x\nENV A', /has no value/],
    ['FROM x\nENV 1A=b', /no name of a variable/],
    ['FROM x\nRUN', /has no command/],
    ['FROM x\nRUN true \\', /goes on in a line/],
    ['FROM x\nSHELL bash', /SHELL \["program"/],
    ['FROM x\nEXPOSE 99999', /names no port/],
    ['FROM x\nFETCH y', /line 2: FETCH.*no instruction/],
    ['FROM x\nRUN a\u0000b', /line 2: a control character/],
    [`FROM x\n${'RUN true\n'.repeat(501)}`, /more than 500 instructions/],
    [`FROM x\n${'\n'.repeat(1001)}`, /more than 1000 lines/],
    [`FROM x\n# ${'x'.repeat(65_536)}`, /larger than 64 KiB/],
    [`FROM x\nENV A=${'x'.repeat(1000)}\n${'ENV A=$A$A\n'.repeat(20)}`, /comes to more than 32 KiB/],
    [`FROM x\nENV A=${'${A:-'.repeat(12)}${'}'.repeat(12)}`, /more than 10 deep/],
    [`FROM x\nENV A=${'x'.repeat(30_000)}\n${'RUN true\n'.repeat(100)}`, /brings the steps to more than 1024 KiB/],
  ] as const)
    it(JSON.stringify(text.slice(0, 60)), () => refused(text, words));

  it('what is no text', () => assert.throws(() => readDockerfile(Buffer.from([0x46, 0xff, 0xfe])), /no text in UTF-8/));
});

describe('whatever stands in it', () => {
  const word = fc.constantFrom(
    ...[
      'FROM',
      'RUN',
      'COPY',
      'ADD',
      'ENV',
      'ARG',
      'x',
      'a.txt',
      '*',
      '**',
      '/',
      '..',
      '$A',
      '${A:-',
      '}',
      '"',
      "'",
      '\\',
      '\n',
      '#',
      '=',
      '[',
      ']',
    ],
    ...[
      '--from=',
      '--chmod=755',
      '<<EOF',
      ' ',
      '\t',
      '\u00e9',
      '\r\n',
      'HEALTHCHECK',
      'CMD',
      'LABEL a=b',
      'WORKDIR',
      'SHELL ["a"]',
      '%',
    ],
  );
  it('it is read, or refused with what is wrong; its sources lie in the context and its paths below the root', () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (parts) => {
        try {
          const { steps: found } = read(`FROM x\n${parts.join('')}`);
          for (const step of found) {
            if (step.do === 'run') continue;
            const to = step.do === 'copy' ? step.to : step.path;
            assert.match(to, /^\//);
            assert.ok(!to.split('/').includes('..'), to);
            for (const source of step.do === 'copy' ? step.sources : [])
              assert.ok(
                source === '' || files.some((file) => file === source || file.startsWith(`${source}/`)),
                source,
              );
          }
        } catch (thrown) {
          assert.ok(thrown instanceof Failure && thrown.kind === 'invalid', String(thrown));
          assert.match(thrown.message, /Dockerfile is not built/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('many stars against many long names are a bounded amount of work', () => {
    const names = Array.from({ length: 2000 }, (_, n) => `${'a'.repeat(200)}${n}`);
    const lines = `COPY ${'*a'.repeat(60)}*z /x\n`.repeat(20);
    const stage = stageOf(readDockerfile(Buffer.from(`FROM x\n${lines}`)));
    assert.throws(
      () => buildOf(stage.rest, base, [...names, `${'a'.repeat(200)}z`]),
      /more patterns for more files than are compared/,
    );
  });
});
