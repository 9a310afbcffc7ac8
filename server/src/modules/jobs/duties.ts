// What jobs do without being asked: they go on behind the request that submitted them.

import { assetsActions } from '@strongroom/contract/assets.actions';
import { computesType } from '@strongroom/contract/compute.actions';
import { jobsType } from '@strongroom/contract/jobs.actions';
import { actionsOfType } from '@strongroom/contract/resources.actions';
import type { Duty } from '#kernel/authority/duty';
import { workspaceType } from '#workspaces';

const { read, write } = actionsOfType(jobsType);

export const jobsDuties = {
  advance: {
    name: 'jobs.advance',
    why: 'A job goes through its states as its node reports, until it has ended and its log is sealed.',
    actions: [write, read],
    under: jobsType,
    record: { level: 'part', of: 'the submission of the job; each state is kept in the job and its run' },
  },
  gather: {
    name: 'jobs.gather-content',
    why: 'A node is told at the start of a job what to run: its code, its inputs and where they lie.',
    actions: [assetsActions.readSnapshot, actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'the submission of the job, by whose caller these were decided on' },
  },
  build: {
    name: 'jobs.build-environment',
    why: 'A job that names an environment runs in it, so it is built when it is not there: by a job in the name of who needs it.',
    actions: [write, read, actionsOfType(`${workspaceType}/computes`).read, actionsOfType(workspaceType).read],
    under: workspaceType,
    record: {
      level: 'part',
      of: 'the submission of the job that needs it; each file that the build fetches has its record',
    },
  },
  findWorkspaces: {
    name: 'jobs.find-workspaces',
    why: 'Each workspace is looked through for logs that could not be kept when their job ended.',
    actions: [actionsOfType(workspaceType).read],
    under: '/',
    record: { level: 'none', reason: 'reads which workspaces there are, and shows them to nobody' },
  },
  keepLogs: {
    name: 'jobs.keep-logs',
    why: 'The log of a job that ended on a full disk becomes an artifact of its run once there is room.',
    actions: [read, actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'part', of: 'the end of the job' },
  },
  showLog: {
    name: 'jobs.show-log',
    why: 'Who may read a job reads its log, which lies in the database of its workspace.',
    actions: [read],
    under: jobsType,
    record: { level: 'part', of: 'the request that reads' },
  },
  lookForCluster: {
    name: 'jobs.look-for-cluster',
    why: 'A job that names no cluster runs on the one of its workspace that is called serverless.',
    actions: [actionsOfType(computesType).read, actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'none', reason: 'only looks; a cluster that is made is recorded by the duty that makes it' },
  },
  lookForAsset: {
    name: 'jobs.look-for-asset',
    why: 'An output that becomes an asset gets the version that is next under its name, and once.',
    actions: [
      actionsOfType(`${workspaceType}/data`).read,
      actionsOfType(`${workspaceType}/data/versions`).read,
      actionsOfType(`${workspaceType}/models`).read,
      actionsOfType(`${workspaceType}/models/versions`).read,
    ],
    under: workspaceType,
    record: {
      level: 'none',
      reason: 'only looks; what is registered is recorded in the name of who submitted the job',
    },
  },
  lookForImages: {
    name: 'jobs.look-for-images',
    why: 'The image that a job runs in, or will, is not taken away before the job has ended.',
    actions: [read, actionsOfType(workspaceType).read],
    under: workspaceType,
    record: { level: 'none', reason: 'reads which images are in use, and shows them to nobody' },
  },
  makeServerless: {
    name: 'jobs.make-serverless',
    why: 'Where a workspace has no cluster called serverless, one is made for the first job that names none.',
    actions: [actionsOfType(computesType).write],
    under: computesType,
    record: { level: 'activity' },
  },
} as const satisfies Record<string, Duty>;
