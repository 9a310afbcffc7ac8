// What jobs ask of whoever makes the environments that they run in. It stands above: `compose` gives it, and it is called only
// after everything is composed. A build is itself a job, that jobs run for it.

import type { SnapshotFile } from '#assets';
import type { Grant } from '#kernel/authority/grant';
import type { Resource } from '#resources';
import type { Workspace } from '#workspaces';

/** What a job runs in: an image of the workspace's registry, which brings an environment at `/env`, or is its whole root. */
export type EnvironmentImage = {
  readonly registryId: string;
  /** Below its registry. */
  readonly repository: string;
  readonly digest: string;
  /** The id at which its repository is pulled. */
  readonly pullScope: string;
  /** The node's, on which its environment stands: `3.11`. Absent: it is the root, with whatever it brings. */
  readonly python?: string;
  /** Of the interpreter that the environment was built with: `cpython-311-x86_64-linux-gnu`. Absent: not known. */
  readonly abi?: string;
  /** Beside `/env`: names below `/` that lead into the image. */
  readonly links?: readonly string[];
  /** Where it was fetched from, where that is another registry: `ghcr.io/team/base@sha256:…`. */
  readonly source?: string;
  /** What it sets for whatever runs on it, under what the service sets. */
  readonly variables?: Readonly<Record<string, string>>;
};

/** What a job has to run in: to be made first, or there. Neither: the node's own Python. */
export type Planned = { readonly recipe?: string; readonly image?: EnvironmentImage };

export type Prepared =
  | { readonly state: 'ready'; readonly image: EnvironmentImage }
  /** Its build, a job of the workspace, has not ended; `prepare` of `Preparing` is called when it has. */
  | { readonly state: 'building'; readonly build: string }
  /** The image that it is, or stands on, is being fetched from another registry; `prepare` is called as for a build. */
  | { readonly state: 'fetching'; readonly source: string }
  | {
      readonly state: 'failed';
      /** Its build; absent where the image could not be fetched. */
      readonly build?: string;
      readonly error: { readonly code: string; readonly message: string };
    };

/** A job that waits for its environment, or asks for it. */
export type Waiting = {
  readonly jobId: string;
  /** `sha256:…`, as `plan` has answered it. */
  readonly recipe: string;
  /** Whose job it is: a build is made in his name. */
  readonly submitter: string;
  readonly computeId: string | undefined;
};

export type Environments = {
  /** Throws `invalid` for an environment that cannot be made, with what to do. */
  check(grant: Grant, workspaceId: string, environmentId: string): Promise<void>;
  /**
   * What a job that names this environment has to run in. Keeps what it is made of, and names an image by its digest, so that the
   * job runs in that whatever becomes of the version and of the tag. Throws what `check` throws.
   */
  plan(grant: Grant, workspaceId: string, environmentId: string): Promise<Planned>;
  /** Idempotent. Begins a build unless there is one, or the environment. */
  prepare(waiting: Waiting): Promise<Prepared>;
  /** Nobody waits for it any more under this name. A build that nobody waits for is canceled. */
  leave(jobId: string): Promise<void>;
  /** Whether jobs of a workspace may install packages while they run, as it is now. */
  packagesFor(workspace: Workspace): PackageAccess;
  /** Ids that a build reads, beside what is its own. */
  readsOf(build: Resource): Promise<readonly string[]>;
  /** What a job that is a build runs. */
  documentOf(build: Resource, token: string): Promise<BuildDocument>;
  /** A build has ended, as the resource says. At least once. */
  ended(build: Resource): Promise<void>;
  /** A job of whichever kind has ended, and asks for no package any more. At least once. */
  forget(jobId: string): void;
};

/** `index` is where jobs of the workspace find the package index: below it each has its own. `closed`: why they find none, with what to do. */
export type PackageAccess = { readonly index: string } | { readonly closed: string };

export type BuildDocument = {
  /** The package index as this build sees it. */
  readonly index: string;
} & (
  | {
      readonly command: string;
      readonly python: string;
      readonly environment: Readonly<Record<string, string>>;
      /** Where the command writes why it failed. */
      readonly why: string;
    }
  /** Steps in a root that can be written to: that of an image, or of the node with a version of its Python. */
  | {
      readonly python: string | undefined;
      readonly image: EnvironmentImage | undefined;
      readonly context: { readonly digest: string; readonly files: readonly SnapshotFile[] };
      /** For the runner (runner/README.md). */
      readonly build: object;
    }
);

/** What jobs do for environments. */
export type Preparing = {
  /**
   * A job of the service that builds an environment. Answers its name. Made in the name of the submitter, who must be there.
   */
  startBuild(build: {
    readonly workspaceId: string;
    readonly name: string;
    readonly recipe: string;
    readonly submitter: string;
    readonly computeId: string | undefined;
    readonly displayName: string;
  }): Promise<void>;
  /** The build of an environment that this job waits for has ended: goes on, or ends. */
  prepare(jobId: string): Promise<void>;
  /** Cancels a build that nobody waits for. */
  cancelBuild(jobId: string): Promise<void>;
  /** Repositories of the images that jobs of a workspace run in, or will, that have not ended. */
  imagesInUse(workspaceId: string): Promise<ReadonlySet<string>>;
  /** How a build stands; undefined: there is none. */
  standing(jobId: string): Promise<Standing | undefined>;
};

export type Standing = {
  readonly state: 'runs' | 'completed' | 'failed' | 'canceled';
  readonly submitter: string;
  /** Why it has failed. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
};
