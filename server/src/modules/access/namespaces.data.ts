// Provider namespaces of Azure, as data: a custom role may name actions of services that are not served here, where they grant
// nothing, so that one file of roles serves both; a namespace that neither has is a typing error.
// Source: Azure Resource Manager, "resource providers for Azure services", and those that came later.

const ofMicrosoft = `
  AAD ADHybridHealthService AVS Addons Advisor AgFoodPlatform AlertsManagement AnalysisServices ApiCenter ApiManagement App
  AppComplianceAutomation AppConfiguration AppPlatform Attestation Authorization Automation AutonomousSystems AzureActiveDirectory
  AzureArcData AzureData AzureFleet AzurePlaywrightService AzureStack AzureStackHCI Batch Billing BillingBenefits BingMaps Blockchain
  BlockchainTokens Blueprint BotService Cache Capacity Carbon Cdn CertificateRegistration ChangeAnalysis Chaos ClassicCompute
  ClassicInfrastructureMigrate ClassicNetwork ClassicStorage ClassicSubscription CloudShell CodeSigning CognitiveServices Commerce
  Communication Compute ComputeSchedule ConfidentialLedger Confluent ConnectedVMwarevSphere Consumption ContainerInstance
  ContainerRegistry ContainerService CostManagement CostManagementExports CustomProviders CustomerLockbox DBforMariaDB DBforMySQL
  DBforPostgreSQL Dashboard DataBox DataBoxEdge DataCatalog DataFactory DataLakeAnalytics DataLakeStore DataMigration DataProtection
  DataReplication DataShare DatabaseWatcher Databricks Datadog DeploymentManager DesktopVirtualization DevCenter DevOps
  DevOpsInfrastructure DevSpaces DevTestLab DeviceRegistry DeviceUpdate Devices DigitalTwins DocumentDB DomainRegistration DurableTask
  Easm Edge EdgeOrder Elastic ElasticSan EnterpriseKnowledgeGraph EventGrid EventHub ExtendedLocation Fabric Features
  GuestConfiguration HDInsight HanaOnAzure HardwareSecurityModules HealthBot HealthDataAIServices HealthcareApis HybridCompute
  HybridConnectivity HybridContainerService HybridData HybridNetwork Impact ImportExport Insights Intune IoTCentral IoTOperations
  IoTSecurity IoTSpaces KeyVault Kubernetes KubernetesConfiguration KubernetesRuntime Kusto LabServices LoadTestService Logic Logz
  MachineLearning MachineLearningCompute MachineLearningExperimentation MachineLearningServices Maintenance ManagedIdentity
  ManagedNetworkFabric ManagedServices Management Maps Marketplace MarketplaceApps MarketplaceOrdering Media Migrate MixedReality
  MobileNetwork Monitor NetApp Network NetworkCloud NetworkFunction NotificationHubs ObjectStore OffAzure OpenEnergyPlatform
  OperationalInsights OperationsManagement Orbital Peering PolicyInsights Portal PowerBI PowerBIDedicated PowerPlatform ProviderHub
  Purview Quantum Quota RecommendationsService RecoveryServices RedHatOpenShift Relay ResourceConnector ResourceGraph ResourceHealth
  ResourceNotifications Resources SaaS SaaSHub ScVmm Scheduler Search Security SecurityDevOps SecurityInsights SerialConsole ServiceBus
  ServiceFabric ServiceFabricMesh ServiceLinker ServiceNetworking Services SignalRService SoftwarePlan Solutions Sql
  SqlVirtualMachine StandbyPool Storage StorageActions StorageCache StorageMover StorageSync StorSimple StreamAnalytics Subscription
  Support Synapse Syntex TestBase TimeSeriesInsights Token VMware VMwareCloudSimple VSOnline VideoIndexer VirtualMachineImages
  VisualStudio VoiceServices Web WindowsESU WindowsIoT WorkloadMonitor Workloads`;

export const azureNamespaces: readonly string[] = ofMicrosoft
  .trim()
  .split(/\s+/)
  .map((name) => `Microsoft.${name}`);
