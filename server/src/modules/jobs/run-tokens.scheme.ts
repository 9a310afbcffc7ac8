// The credential of a running job: one workspace, one run, the actions that a training script needs, and reading what it
// was given. It is refused the moment the job ends, whatever its time says, and while who submitted the job is disabled or
// gone. A new password of his does not touch it: it stands on the job, not on what he signed in with. Nothing here stores one.

import { jobsActions } from '@strongroom/contract/jobs.actions';
import { runsActions } from '@strongroom/contract/runs.actions';
import { accessTokenType, type Tokens } from '#identity';
import { createActor } from '#kernel/authority/actor';
import type { BoundsRule } from '#kernel/authority/bounds';
import { type AuthenticationFacts, claimsOfFacts, factsInClaims, refusedFromMs } from '#kernel/authority/facts';
import type { Scheme } from '#kernel/http/surface';
import { kept } from '#kernel/ids/kept';
import { rulesOfRun } from '#runs';
import { jobsFailures } from './jobs.errors.ts';

export const runTokenPurpose = 'run';

export type RunTokenSubject = {
  readonly jobId: string;
  /** The one piece of work that it is handed to: an earlier try's token is refused. */
  readonly workId: string;
  readonly workspaceId: string;
  readonly workspaceUniqueId: string;
  readonly runId: string;
  readonly experimentId: string;
  /** Ids that the run may read besides itself: the snapshots of its code and inputs. */
  readonly inputs: readonly string[];
  /** Builds an environment: it asks for packages, reads what it is made of and sends its result, and does nothing of a run. */
  readonly isBuild: boolean;
  /** Asks for packages for its command. */
  readonly mayInstall: boolean;
  /** Object id of who submitted the job, for the record. */
  readonly submitter: string;
  /** How he proved who he is when he submitted it. */
  readonly facts: AuthenticationFacts;
};

const actions: readonly string[] = [
  runsActions.readExperiments,
  runsActions.readRuns,
  runsActions.writeRuns,
  runsActions.writeMetrics,
  runsActions.readArtifacts,
  runsActions.writeArtifacts,
].map(({ name }) => name);

/** What a build asks for and sends lies at an id of its own, which no role gives. */
export const buildScope = (workspaceId: string, build: string): string => `${workspaceId}/builds/${build}`;
const ruleOfBuild = (workspaceId: string, build: string): BoundsRule => ({
  scope: buildScope(workspaceId, build),
  actions: [jobsActions.buildEnvironment.name],
  reason: `token of the build ${build}`,
});

/** What this module holds of the directory. */
export type Submitters = {
  findPrincipal(objectId: string): Promise<{ readonly enabled: boolean } | undefined>;
};

export type RunTokens = {
  issue(subject: RunTokenSubject, ttlSeconds: number): Promise<string>;
  /** Answers undefined for bearer tokens of other kinds, so it stands before the scheme for access tokens. */
  readonly scheme: Scheme;
};

export function createRunTokens(deps: {
  readonly tokens: Tokens;
  readonly tenantId: string;
  readonly isActive: (jobId: string, workId: string) => Promise<boolean>;
  readonly directory: Submitters;
}): RunTokens {
  const audienceOf = (workspaceUniqueId: string) => `urn:strongroom:workspace:${workspaceUniqueId}`;
  return {
    async issue(subject, ttlSeconds) {
      const { token } = await deps.tokens.issueToken({
        purpose: runTokenPurpose,
        audience: audienceOf(subject.workspaceUniqueId),
        subject: subject.runId,
        claims: {
          ...claimsOfFacts(subject.facts),
          job: subject.jobId,
          work: subject.workId,
          workspace: subject.workspaceId,
          workspaceUniqueId: subject.workspaceUniqueId,
          experiment: subject.experimentId,
          inputs: subject.inputs,
          ...(subject.isBuild ? { build: true } : {}),
          ...(subject.mayInstall ? { packages: true } : {}),
          submitter: subject.submitter,
        },
        ttlSeconds,
      });
      return token;
    },
    scheme: {
      name: 'run token',
      async authenticate(exchange) {
        const header = exchange.header('authorization') ?? '';
        if (saysAccessToken(headOf(header))) return undefined;
        const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
        const unverified = token === undefined ? undefined : payloadOf(token);
        if (token === undefined || unverified?.['purpose'] !== runTokenPurpose) return undefined;
        // Only which workspace to verify for is taken from the unverified payload; verification binds it. What is no text names none.
        const workspace = unverified['workspaceUniqueId'];
        const claims = await deps.tokens.verifyToken(token, {
          purpose: runTokenPurpose,
          audience: audienceOf(typeof workspace === 'string' ? workspace : ''),
        });
        const text = (name: string) => (typeof claims[name] === 'string' ? claims[name] : '');
        if (!(await deps.isActive(text('job'), text('work')))) {
          throw jobsFailures.RunEnded();
        }
        if (!(await deps.directory.findPrincipal(text('submitter')))?.enabled) {
          throw jobsFailures.SubmitterDisabled();
        }
        const inputs = Array.isArray(claims['inputs'])
          ? claims['inputs'].filter((input): input is string => typeof input === 'string')
          : [];
        return createActor({
          kind: 'run',
          objectId: text('submitter'),
          tenantId: deps.tenantId,
          name: `job ${text('sub')}`,
          method: 'runToken',
          tokenId: text('jti'),
          facts: factsInClaims(claims),
          bounds: {
            roles: 'ignored',
            rules: [
              ...(claims['build'] === true
                ? [ruleOfBuild(text('workspace'), text('sub'))]
                : [
                    ...rulesOfRun({
                      workspaceId: text('workspace'),
                      runId: text('sub'),
                      experimentId: text('experiment'),
                      actions,
                    }),
                    {
                      scope: text('job'),
                      actions: [
                        jobsActions.writeOutputs.name,
                        ...(claims['packages'] === true ? [jobsActions.installPackages.name] : []),
                      ],
                      reason: `token of the run ${text('sub')}`,
                    },
                  ]),
              ...inputs.map(
                (scope) => ({ scope, actions: 'reads', reason: `input of the run ${text('sub')}` }) as const,
              ),
            ],
            untilMs: refusedFromMs(claims),
          },
        });
      },
    },
  };
}

/** The first part of a token in an Authorization header. */
const headOf = (header: string): string => header.slice('Bearer '.length, Math.max(0, header.indexOf('.')));

/**
 * Of a token that says so it can never be true that it is one of a run: `verifyToken` takes none of another type. Every token of a
 * type that one key signed begins with the same part, so that it is read once, and not the whole payload with every request.
 */
const saysAccessToken = kept((head) => {
  try {
    const said: unknown = JSON.parse(Buffer.from(head, 'base64url').toString('utf8'));
    return typeof said === 'object' && said !== null && 'typ' in said && said.typ === accessTokenType;
  } catch {
    return false;
  }
});

function payloadOf(token: string): Readonly<Record<string, unknown>> | undefined {
  if (token.length > 16_384) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
