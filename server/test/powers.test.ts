// What a POST acts with beyond the grant of its caller: a duty of the house, or the identity of a workspace. Whoever may ask for
// such an action gets what it gives, so each says why that is nothing which he could not have, and a new POST fails here until
// somebody has asked the question.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { Route } from '#kernel/http/route';
import { composedRoutes } from '../../scripts/openapi/routes.ts';

type Power = { readonly acts: readonly string[]; readonly because: string };
const identity = 'the workspace identity';

/** Operations, or a pattern of them. */
const beyond: Readonly<Record<string, Power>> = {
  GlobalAdministrator_ElevateAccess: {
    acts: ['access.elevate-administrator'],
    because: 'It gives one role to one person, whom the first start named.',
  },
  MachineLearningServices_Workspaces_ResyncKeys: {
    acts: [
      'workspaces.furnish',
      'workspaces.furnish-given-account',
      'workspaces.protect-own',
      'workspaces.look-at-own',
      'workspaces.let-identity-act',
    ],
    because: 'Each role that is missing needs the right to grant it there, and each dependent the right to make it.',
  },
  MachineLearningServices_Workspaces_Datastores_ListSecrets: {
    acts: [identity],
    because:
      'The action is a secret of its own, and the address opens one container of the workspace; any other as its maker.',
  },
  MachineLearningServices_Workspaces_Connections_ListSecrets: {
    acts: ['workspaces.find'],
    because: 'It reads the workspace, and opens the credentials of the one connection that was decided on.',
  },
  MachineLearningServices_Workspaces_Jobs_Cancel: {
    acts: ['jobs.advance'],
    because: 'It ends the one job that was decided on, and writes nothing but how it ended.',
  },
  MachineLearningServices_Workspaces_Schedules_Trigger: {
    acts: ['jobs.advance'],
    because: 'The job is made by the right of the caller to make one; beyond it the server looks whether it is there.',
  },
  'MachineLearningServices_Workspaces_OnlineEndpoints_(ListKeys|RegenerateKeys)': {
    acts: ['workspaces.find'],
    because: 'It reads the workspace, and opens the keys of the one endpoint that was decided on.',
  },
  'Scoring_(Score|Invoke)': {
    acts: ['endpoints.let-in', 'endpoints.record-scoring'],
    because: 'The key that was sent is compared, and the request recorded; nothing of either is told.',
  },
  Snapshots_Create: {
    acts: [identity],
    because: 'A snapshot is named by the digest of what was sent: nothing that is there is read or replaced.',
  },
  CodeVersions_StartPendingUpload: {
    acts: [identity],
    because: 'It makes one empty container, and an address that opens that one.',
  },
  'MLflow_MultipartArtifact_(create|complete|abort)': {
    acts: [identity],
    because: 'It writes below one run, for who may write artifacts of the workspace.',
  },
  'MLflow_(CreateRun|LogBatch|LogModel|CreateModelVersion|CreateLoggedModel)': {
    acts: [identity],
    because: 'What it reads of files is of the workspace, for who may write runs or versions of models there.',
  },
  'MLflow_Purge(Run|LoggedModel|Experiment)': {
    acts: [identity],
    because: 'It deletes the files of what was deleted before, for who may purge, which no reader or writer may.',
  },
  RunHistory_GetData: {
    acts: ['jobs.show-log'],
    because: 'It shows the log of the one job that the caller may read.',
  },
  Quotas_Update: {
    acts: ['quotas.find'],
    because: 'It looks for the resource whose quota is set, which its action reaches.',
  },
  'Agent_(BeginSession|Poll|Report|TakeCall|AnswerCall|RenewToken)': {
    acts: [],
    because: 'An agent is told the work that is its own, and what it says moves no other.',
  },
};

/** What acts by the grant of its caller and by nothing else, or shows nothing but who he is. */
const own: readonly string[] = [
  'AuditSegments_(Archive|Drop)',
  'Audit_Verify(BySubscription)?',
  'OAuth_(Token|DeviceCode)(V1)?|OAuth_LogoutConfirm|SignIn_Submit|Device_Submit',
  'Graph_(ChangePassword|EndOwnSignIns|EndSignIns|GetByIds|MemberGroupsOfUser)',
  'Graph_(CreateUser|CreateApplication|CreateServicePrincipal|AddPassword|RemovePassword)',
  'Providers_(Register|Unregister)',
  'DeletedSecrets_Recover|DeletedKeys_Recover|Vaults_PurgeDeleted',
  'Keys_(Create|Rotate)|Keys_(encrypt|decrypt|wrapkey|unwrapkey|sign|verify)(WithLatest)?',
  '(Vaults|StorageAccounts)_CheckNameAvailability',
  '(Vault|Blob)_Unserved_[A-Za-z_]+|MLflow_UnservedPost',
  'Acr_(ExchangeAccessToken|IssueToken)|Oci_BeginUpload',
  'MLflow_(Create|Search|Update|Delete|Restore)Experiments?|MLflow_(Set|Delete)(Experiment)?Tag',
  'MLflow_(Update|Delete|Restore)Run|MLflow_Search(Runs|Datasets|LoggedModels)',
  'MLflow_Log(Metric|Param|Inputs|Outputs|LoggedModelParams)',
  'MLflow_((Create|Rename)RegisteredModel|GetLatestVersionsByBody|SetRegisteredModel(Tag|Alias))',
  'MLflow_(TransitionModelVersionStage|SetModelVersionTag)',
  'RunHistory_ResolveUris',
  'Storage_StorageAccounts_(ListKeys|RegenerateKey|ListAccountSas|ListServiceSas)',
  'MachineLearningServices_Workspaces_Computes_ListNodes',
  'MachineLearningServices_Workspaces_OnlineEndpoints_(Token|Deployments_GetLogs)',
];

let posts: readonly Route[];
let duties: ReadonlySet<string>;
before(async () => {
  const { routes, modules } = await composedRoutes();
  posts = routes.filter(({ method }) => method === 'POST');
  duties = new Set(modules.flatMap((module) => module.duties ?? []).map(({ name }) => name));
});

const lines = [...Object.keys(beyond), ...own];
const linesFor = (operation: string) => lines.filter((line) => new RegExp(`^(?:${line})$`).test(operation));

test('every POST says whether it acts with more than its caller’s grant, and only once', () => {
  const wrong = posts.flatMap(({ operation }) => (linesFor(operation).length === 1 ? [] : [operation]));
  assert.deepEqual(wrong, []);
  const stale = lines.filter((line) => !posts.some(({ operation }) => linesFor(operation).includes(line)));
  assert.deepEqual(stale, []);
});

test('what it acts with is declared, and whoever asks for it is decided on', () => {
  for (const [line, { acts, because }] of Object.entries(beyond)) {
    for (const name of acts) assert.ok(name === identity || duties.has(name), `${line}: no duty is called ${name}`);
    assert.match(because, /^[A-Z].{20,}\.$/);
    for (const { operation, access } of posts)
      if (linesFor(operation).includes(line) && operation !== 'GlobalAdministrator_ElevateAccess')
        assert.equal(access.kind, 'needs', operation);
  }
});
