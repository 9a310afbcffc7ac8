// Actions of Azure in the namespaces that are served here, as data: what a custom role may name without a typing error, whether
// or not this server does it. A type, then what it has: r read, w write, d delete, and the verbs that are posted to it.
// Sources: the paths of Azure's own management clients (a type and its verbs make its actions), the built-in roles of Azure RBAC,
// and "Manage roles in your workspace" of Azure Machine Learning.

import type { Plane } from '#kernel/authority/grant';

const control: Readonly<Record<string, string>> = {
  'Microsoft.Authorization': `
    (- elevateAccess listPolicyDefinitionVersions listPolicySetDefinitionVersions) classicAdministrators(rwd)
    classicAdministrators/operationstatuses(r) denyAssignments(rwd) diagnosticSettings(r) diagnosticSettingsCategories(r) elevateAccess(r)
    eligibleChildResources(r) locks(rwd) operations(r) permissions(r) policies(- audit deny) policyAssignments(rwd)
    policyAssignments/privateLinkAssociations(r) policyAssignments/resourceManagementPrivateLinks(r)
    policyAssignments/resourceManagementPrivateLinks/privateEndpointConnectionProxies(r)
    policyAssignments/resourceManagementPrivateLinks/privateEndpointConnections(r) policyDefinitions(rwd) policyDefinitions/versions(rwd)
    policyexemptions(r) policySetDefinitions(rwd) policySetDefinitions/versions(rwd) providerOperations(rwd) roleAssignments(rwd)
    roleAssignmentScheduleInstances(rwd) roleAssignmentScheduleRequests(rwd cancel validate) roleAssignmentSchedules(rwd) roleDefinitions(rwd)
    roleEligibilityScheduleInstances(rwd) roleEligibilityScheduleRequests(rwd cancel validate) roleEligibilitySchedules(rwd)
    roleManagementPolicies(rwd) roleManagementPolicyAssignments(rwd)
  `,
  'Microsoft.ContainerRegistry': `
    (- checkNameAvailability register) locations/operationResults(r) operations(r)
    registries(rwd generateCredentials importImage listBuildSourceUploadUrl listCredentials listUsages privateEndpointConnectionsApproval regenerateCredential scheduleRun)
    registries/agentpools(rwd listQueueStatus) registries/agentpools/operationResults/status(r) registries/agentpools/operationStatuses(r)
    registries/artifacts(d) registries/cacheRules(rwd) registries/cacheRules/operationStatuses(r)
    registries/connectedRegistries(rwd deactivate resync) registries/credentialSets(rwd) registries/credentialSets/operationStatuses(r)
    registries/exportPipelines(rwd) registries/importPipelines(rwd) registries/metadata(r) registries/operationStatuses(r)
    registries/pipelineRuns(rwd) registries/pipelineRuns/operationStatuses(r) registries/privateEndpointConnections(rwd)
    registries/privateEndpointConnections/operationStatuses(r) registries/privateLinkResources(rwd)
    registries/providers/Microsoft.Insights/diagnosticSettings(rw) registries/providers/Microsoft.Insights/logDefinitions(r)
    registries/providers/Microsoft.Insights/metricDefinitions(r) registries/pull(r) registries/push(w) registries/quarantine(rw)
    registries/replications(rwd) registries/replications/operationStatuses(r) registries/runs(rw cancel listLogSasUrl) registries/scopeMaps(rwd)
    registries/scopeMaps/operationStatuses(r) registries/sign(w) registries/taskruns(rwd listDetails) registries/taskruns/operationStatuses(r)
    registries/tasks(rwd listDetails) registries/tokens(rwd) registries/tokens/operationStatuses(r)
    registries/webhooks(rwd getCallbackConfig listEvents ping) registries/webhooks/operationStatuses(r)
  `,
  'Microsoft.Insights': `
    (- Register createNotifications) actionGroups(rwd createNotifications subscribe) actionGroups/notificationStatus(rwd)
    actionGroups/subscribe(r) activityLogAlerts(rwd) AlertRules(rwd Activated Resolved Throttled) AlertRules/Incidents(r) autoscalesettings(rwd)
    autoscalesettings/predictiveMetrics(r) components(- purge) dataCollectionEndpoints(rwd) dataCollectionEndpoints/associations(r)
    dataCollectionRuleAssociations(rwd) dataCollectionRules(rwd) dataCollectionRules/associations(r) diagnosticSettings(rwd)
    diagnosticSettingsCategories(rwd) eventcategories(r) eventtypes/digestevents(r) eventtypes/management/values(r) eventtypes/values(r)
    generateLiveToken(r) logDefinitions(r) logprofiles(rwd) Logs(r) logs/ApiManagementGatewayLogs(r) metricAlerts(rwd) metricAlerts/status(rwd)
    metricBaselines(r) metricDefinitions(r) metricNamespaces(r) metrics(r) myworkbooks(r) notificationStatus(rwd) operations(r)
    privateLinkScopes(rwd privateEndpointConnectionsApproval) privateLinkScopes/privateEndpointConnections(rwd)
    privatelinkscopes/privateEndpointConnections/operationResults(r) privateLinkScopes/privateLinkResources(rwd)
    privateLinkScopes/scopedResources(rwd) scheduledQueryRules(rwd) snapshots(r) topology(r) transactions(r)
    vmInsightsOnboardingStatuses/default(r) workbooks(rwd) workbooks/revisions(r) workbooktemplates(rwd)
  `,
  'Microsoft.KeyVault': `
    (- checkMhsmNameAvailability checkNameAvailability deletedManagedHSMs deletedVaults register) checkNameAvailability(r) deletedManagedHsms(r)
    deletedVaults(r) locations(rwd) locations/deletedManagedHSMs(rwd purge) locations/deletedVaults(rwd purge)
    locations/managedHsmOperationResults(r) locations/operationResults(r) managedHSMs(rwd) managedHSMs/keys(rwd) managedHSMs/keys/versions(rwd)
    managedHSMs/privateEndpointConnections(rwd) managedHSMs/privateLinkResources(r) managedHSMs/regions(r) operations(r)
    vaults(rwd deploy privateEndpointConnectionsApproval) vaults/accessPolicies(rwd) vaults/keys(rwd) vaults/keys/versions(rwd)
    vaults/privateEndpointConnections(rwd) vaults/privateLinkResources(r) vaults/secrets(rwd)
  `,
  'Microsoft.MachineLearningServices': `
    (- register) locations(rwd updateQuotas) locations/quotas(r) locations/usages(r) locations/vmSizes(r) operations(r)
    registries(rwd privateEndpointConnectionsApproval removeRegions) registries/assets(rw) registries/codes(rwd)
    registries/codes/versions(rwd startPendingUpload) registries/components(rwd) registries/components/versions(rwd) registries/data(rwd)
    registries/data/versions(rwd startPendingUpload) registries/datareferences(rwd) registries/datareferences/versions(rwd)
    registries/environments(rwd) registries/environments/versions(rwd) registries/models(rwd) registries/models/versions(rwd startPendingUpload)
    registries/privateEndpointConnections(rw) registries/privateLinkResources(r) virtualClusters(rwd)
    workspaces(rwd deleteConfiguration diagnose listKeys listNotebookAccessToken listNotebookKeys listStorageAccountKeys prepareNotebook privateEndpointConnectionsApproval resyncKeys upgradeEdition)
    workspaces/assets(rwd) workspaces/azuremonitor(- list) workspaces/batch/events(r) workspaces/batchEndpoints(rwd listkeys)
    workspaces/batchEndpoints/deployments(rwd) workspaces/batchrundata(r) workspaces/capabilityHosts(rwd) workspaces/codes(rwd)
    workspaces/codes/versions(rwd startPendingUpload) workspaces/codes/versions/publish(r) workspaces/components(rwd)
    workspaces/components/versions(rwd) workspaces/components/versions/publish(r)
    workspaces/computes(rwd applicationaccess listKeys listNodes restart start stop) workspaces/computes/runs(r)
    workspaces/connections(rwd listsecrets) workspaces/data(rwd) workspaces/data/versions(rwd) workspaces/data/versions/publish(r)
    workspaces/datacall/preview(r) workspaces/datacall/quickprofile(r) workspaces/datacall/schema(r) workspaces/datacontainer(rwd)
    workspaces/datasets(rwd) workspaces/datasets/definitions(rwd) workspaces/datasets/registered(rwd) workspaces/datasets/registered/preview(r)
    workspaces/datasets/registered/profile(r) workspaces/datasets/registered/schema(r) workspaces/datasets/unregistered(rwd)
    workspaces/datasets/unregistered/preview(r) workspaces/datasets/unregistered/profile(r) workspaces/datasets/unregistered/schema(r)
    workspaces/datasets/versions(rwd) workspaces/datastores(rwd listSecrets)
    workspaces/dataversion(rwd createUnregisteredInput createUnregisteredOutput getByAssetId registerExisting)
    workspaces/dataversion/batchGetResolvedUris(r) workspaces/dataversion/versions(rwd) workspaces/dataversion/versions/exists(r)
    workspaces/diagnose(r) workspaces/endpoints/pipelines(rwd) workspaces/environments(rwd build readSecrets)
    workspaces/environments/versions(rwd) workspaces/environments/versions/publish(r) workspaces/evaluations/results/labels(r)
    workspaces/evaluations/results/reasonings(r) workspaces/experiments(rwd) workspaces/experiments/batch/events(r)
    workspaces/experiments/batch/runs(r) workspaces/experiments/containers(rwd deleteMetrics) workspaces/experiments/jobs(rw)
    workspaces/experiments/metrics(rwd) workspaces/experiments/runs(rwd cancel submit) workspaces/experiments/runs/artifacts(r)
    workspaces/experiments/runs/artifacts/artifacturi(r) workspaces/experiments/runs/artifacts/batch/metadata(r)
    workspaces/experiments/runs/artifacts/contentinfo(r) workspaces/experiments/runs/artifacts/metadata(r)
    workspaces/experiments/runs/artifacts/path(r) workspaces/experiments/runs/artifacts/prefix/contentinfo(r)
    workspaces/experiments/runs/children(r) workspaces/experiments/runs/details(r) workspaces/experiments/runs/events(r)
    workspaces/experiments/runs/runIds(r) workspaces/experiments/runs/services(r) workspaces/experiments/runs/tags(r)
    workspaces/extensiveModels(rwd) workspaces/features(r) workspaces/featuresets(rwd) workspaces/featuresets/versions(rwd)
    workspaces/featuresets/versions/backfill(r) workspaces/featuresets/versions/features(rwd) workspaces/featurestoreEntities(rwd)
    workspaces/featurestoreEntities/versions(rwd) workspaces/featurestores(wd) workspaces/hubs(wd) workspaces/images(rw)
    workspaces/jobs(rwd cancel) workspaces/join(rwd) workspaces/labeling(- export)
    workspaces/labeling/labels(rw approve_unapprove reject update) workspaces/labeling/projects(rwd) workspaces/labeling/projects/summary(r)
    workspaces/listNotebookAccessToken(r) workspaces/managedNetworks(rw batchOutboundRules) workspaces/managedNetworks/outboundRules(rwd)
    workspaces/marketplaceSubscriptions(rwd) workspaces/metadata/artifacts(rwd) workspaces/metadata/codes(rw)
    workspaces/metadata/codes/versions(w) workspaces/metadata/secrets(rw) workspaces/metadata/snapshots(rwd) workspaces/metrics/resource(w)
    workspaces/models(rwd createUnregisteredInput createUnregisteredOutput list package querybatch) workspaces/models/batchGetResolvedUris(r)
    workspaces/models/deploymentSettings(r) workspaces/models/versions(rwd) workspaces/models/versions/publish(r) workspaces/modules(rwd)
    workspaces/notebooks/samples(r) workspaces/notebooks/storage(rwd) workspaces/notebooks/vm(w)
    workspaces/onlineEndpoints(rwd listKeys regenerateKeys score token) workspaces/onlineEndpoints/deployments(rwd getLogs)
    workspaces/onlineEndpoints/deployments/skus(r) workspaces/onlineEndpoints/token(r) workspaces/operations(rwd)
    workspaces/outboundNetworkDependenciesEndpoints(r) workspaces/outboundRules(rwd) workspaces/pipelinedrafts(rwd)
    workspaces/prepareNotebook(r) workspaces/privateEndpointConnections(rwd) workspaces/privateLinkResources(r)
    workspaces/provisionManagedNetwork(r) workspaces/rundata(r) workspaces/runs(rwd deleteMetrics list) workspaces/runs/batch(r)
    workspaces/runs/children(r) workspaces/runs/details(r) workspaces/runs/events(r) workspaces/runs/full(r) workspaces/runs/sample(r)
    workspaces/runs/serviceinstances(rwd) workspaces/runs/services(r) workspaces/runs/spans(r) workspaces/runs/spans/active(r)
    workspaces/runs/tags(r) workspaces/schedules(rwd) workspaces/serverlessEndpoints(rwd listKeys regenerateKeys) workspaces/services(r)
    workspaces/services/aci(rwd listkeys) workspaces/services/aks(rwd listkeys score) workspaces/simulations/results/images(r)
    workspaces/snapshots(rwd)
  `,
  'Microsoft.Resources': `
    (- checkResourceName checkZonePeers register) calculateTemplateHash(r) dataBoundaries(w)
    deployments(rwd cancel exportTemplate validate whatIf) deployments/operations(rwd) deployments/operationstatuses(r) deployments/whatIf(r)
    deploymentScripts(rwd) deploymentScripts/logs(r) deploymentStacks(rwd exportTemplate manageDenySetting validate) links(rwd)
    managementGroups(r) operations(r) providers(r) resources(r) subscriptions(r) subscriptions/locations(r) subscriptions/operationresults(r)
    subscriptions/providers(r) subscriptions/resourceGroups(rwd exportTemplate moveResources validateMoveResources)
    subscriptions/resourcegroups/deployments(rwd) subscriptions/resourcegroups/deployments/operations(r)
    subscriptions/resourcegroups/deployments/operationstatuses(r) subscriptions/resourceGroups/resources(r) subscriptions/resources(r)
    subscriptions/tagNames(rwd) subscriptions/tagNames/tagValues(rwd) tags(rwd) tags/default(r) templateSpecs(rwd) templateSpecs/versions(rwd)
    tenants(r)
  `,
  'Microsoft.Storage': `
    (- checkNameAvailability deletedAccounts register) checkNameAvailability(r) locations(rwd) locations/DataManagementRPOperationStatuses(rw)
    locations/deletedAccounts(rwd) locations/usages(r) operations(r) skus(r)
    storageAccounts(rwd PrivateEndpointConnectionsApproval failover listAccountSas listKeys listServiceSas regenerateKey restoreBlobRanges revokeUserDelegationKeys startAccountMigration)
    storageAccounts/aborthnsonmigration(r) storageAccounts/accountMigrations(rwd) storageAccounts/blobServices(rw generateUserDelegationKey)
    storageAccounts/blobServices/containers(rwd) storageAccounts/blobServices/default(r)
    storageAccounts/blobServices/default/containers(rwd setLegalHold) storageAccounts/blobServices/default/containers/clearLegalHold(r)
    storageAccounts/blobServices/default/containers/immutabilityPolicies/default(r)
    storageAccounts/blobServices/default/containers/immutabilityPolicies/default/extend(r)
    storageAccounts/blobServices/default/containers/immutabilityPolicies/default/lock(r)
    storageAccounts/blobServices/default/containers/lease(r) storageAccounts/blobServices/default/containers/migrate(r)
    storageAccounts/connectors(rwd testExistingConnection) storageAccounts/dataShares(rwd) storageAccounts/encryptionScopes(rwd)
    storageAccounts/fileServices(rw generateUserDelegationKey) storageAccounts/fileServices/default(r)
    storageAccounts/fileServices/default/shares(rwd restore) storageAccounts/fileServices/default/shares/lease(r)
    storageAccounts/fileServices/default/usages(r) storageAccounts/fileServices/default/usages/default(r)
    storageAccounts/fileServices/shares(rwd lease) storageAccounts/hnsonmigration(r) storageAccounts/inventoryPolicies(rwd)
    storageAccounts/localUsers(rwd listKeys regeneratePassword) storageAccounts/managementPolicies(rwd)
    storageAccounts/networkSecurityPerimeterConfigurations(rwd) storageAccounts/networkSecurityPerimeterConfigurations/reconcile(r)
    storageAccounts/objectReplicationPolicies(rwd) storageAccounts/objectReplicationPolicies/restorePointMarkers(w)
    storageAccounts/privateEndpointConnections(rwd) storageAccounts/privateLinkResources(r)
    storageAccounts/queueServices(r generateUserDelegationKey) storageAccounts/queueServices/default(r)
    storageAccounts/queueServices/default/queues(rwd) storageAccounts/queueServices/queues(rwd) storageAccounts/reports(r)
    storageAccounts/storageTaskAssignments(rwd stopAssignment) storageAccounts/storageTaskAssignments/reports(r)
    storageAccounts/tableServices(r generateUserDelegationKey) storageAccounts/tableServices/default(r)
    storageAccounts/tableServices/default/tables(rwd) storageAccounts/tableServices/tables(rwd)
  `,
};

const data: Readonly<Record<string, string>> = {
  'Microsoft.ContainerRegistry': `
    registries/catalog(r) registries/quarantinedArtifacts(rw) registries/repositories/content(rwd) registries/repositories/metadata(rwd)
    registries/trustedCollections(w)
  `,
  'Microsoft.Insights': `
    logs/data(r) metrics(w) Telemetry(w)
  `,
  'Microsoft.KeyVault': `
    vaults/certificatecontacts(w) vaults/certificates(rd create) vaults/keyrotationpolicies(w)
    vaults/keys(rd backup create decrypt encrypt import purge release rotate sign unwrap update verify wrap)
    vaults/secrets(d getSecret purge readMetadata setSecret)
  `,
  'Microsoft.Storage': `
    storageAccounts/blobServices/containers/blobs(rwd add move runAsSuperUser)
    storageAccounts/blobServices/containers/blobs/immutableStorage(- runAsSuperUser) storageAccounts/blobServices/containers/blobs/tags(rw)
    storageAccounts/fileServices(- readFileBackupSemantics runAsBuiltInFileAdministrator takeOwnership writeFileBackupSemantics)
    storageAccounts/fileServices/fileshares/files(rwd modifypermissions) storageAccounts/queueServices/queues/messages(rwd add process)
    storageAccounts/tableServices/tables/entities(rwd add update)
  `,
};

const words: Readonly<Record<string, string>> = { r: 'read', w: 'write', d: 'delete' };

function* read(namespace: string, text: string): Generator<string> {
  for (const [, type = '', rights = ''] of text.matchAll(/([\w./-]*)\(([^)]*)\)/g)) {
    const before = type === '' ? namespace : `${namespace}/${type}`;
    const [letters = '', ...verbs] = rights.split(' ');
    for (const letter of letters) if (words[letter] !== undefined) yield `${before}/${words[letter]}`;
    for (const verb of verbs) yield `${before}/${verb}/action`;
  }
}

const all = (texts: Readonly<Record<string, string>>): readonly string[] =>
  Object.entries(texts).flatMap(([namespace, text]) => [...read(namespace, text)]);

export const azureActions: Readonly<Record<Plane, readonly string[]>> = { control: all(control), data: all(data) };
