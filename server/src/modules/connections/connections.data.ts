// Azure's words for connections: what is at the other end, and how one signs in there. Source: Azure REST specification,
// ConnectionCategory and the WorkspaceConnectionPropertiesV2 of each ConnectionAuthType (2025-12-01).

export const categories: readonly string[] = [
  ...['PythonFeed', 'ContainerRegistry', 'Git', 'S3', 'Snowflake', 'AzureKeyVault', 'AzureSqlDb'],
  ...['AzureSynapseAnalytics', 'AzureMySqlDb', 'AzurePostgresDb', 'ADLSGen2', 'AzureContainerAppEnvironment', 'Redis'],
  ...['ApiKey', 'AzureOpenAI', 'AIServices', 'CognitiveSearch', 'CognitiveService', 'CustomKeys', 'AzureBlob'],
  ...['AzureStorageAccount', 'AzureOneLake', 'CosmosDb', 'CosmosDbMongoDbApi', 'AzureDataExplorer', 'AzureMariaDb'],
  ...['AzureDatabricksDeltaLake', 'AzureSqlMi', 'AzureTableStorage', 'AmazonRdsForOracle', 'AmazonRdsForSqlServer'],
  ...['AmazonRedshift', 'Db2', 'Drill', 'GoogleBigQuery', 'Greenplum', 'Hbase', 'Hive', 'Impala', 'Informix'],
  ...['MariaDb', 'MicrosoftAccess', 'MySql', 'Netezza', 'Oracle', 'Phoenix', 'PostgreSql', 'Presto', 'SapOpenHub'],
  ...['SapBw', 'SapHana', 'SapTable', 'Spark', 'SqlServer', 'Sybase', 'Teradata', 'Vertica', 'Pinecone', 'Databricks'],
  ...['Cassandra', 'Couchbase', 'MongoDbV2', 'MongoDbAtlas', 'AmazonS3Compatible', 'FileServer', 'FtpServer'],
  ...['GoogleCloudStorage', 'Hdfs', 'OracleCloudStorage', 'Sftp', 'GenericHttp', 'ODataRest', 'Odbc', 'GenericRest'],
  ...['RemoteTool', 'AmazonMws', 'Concur', 'Dynamics', 'DynamicsAx', 'DynamicsCrm', 'GoogleAdWords', 'Hubspot'],
  ...['Jira', 'Magento', 'Marketo', 'Office365', 'Eloqua', 'Responsys', 'OracleServiceCloud', 'PayPal'],
  ...['QuickBooks', 'Salesforce', 'SalesforceServiceCloud', 'SalesforceMarketingCloud', 'SapCloudForCustomer'],
  ...['SapEcc', 'ServiceNow', 'SharePointOnlineList', 'Shopify', 'Square', 'WebTable', 'Xero', 'Zoho'],
  ...['GenericContainerRegistry', 'Elasticsearch', 'AppInsights', 'AppConfig', 'OpenAI', 'Serp', 'BingLLMSearch'],
  ...['Serverless', 'ManagedOnlineEndpoint', 'ApiManagement', 'ModelGateway', 'GroundingWithBingSearch'],
  ...['GroundingWithCustomSearch', 'Sharepoint', 'MicrosoftFabric', 'PowerPlatformEnvironment', 'RemoteA2A'],
];

export type AuthType = {
  /** What `credentials` may hold. */
  readonly takes: readonly string[];
  /** Of each list one must be there. */
  readonly needs: readonly (readonly string[])[];
};

/** Those whose credential is kept. */
export const authTypes: Readonly<Record<string, AuthType>> = {
  None: { takes: [], needs: [] },
  AAD: { takes: [], needs: [] },
  ManagedIdentity: { takes: ['clientId', 'resourceId'], needs: [] },
  PAT: { takes: ['pat'], needs: [['pat']] },
  SAS: { takes: ['sas'], needs: [['sas']] },
  // Azure's Python client writes an account's key where a signature would stand.
  AccountKey: { takes: ['key', 'sas'], needs: [['key', 'sas']] },
  ApiKey: { takes: ['key'], needs: [['key']] },
  AccessKey: { takes: ['accessKeyId', 'secretAccessKey'], needs: [['accessKeyId'], ['secretAccessKey']] },
  UsernamePassword: { takes: ['username', 'password', 'securityToken'], needs: [['password']] },
  ServicePrincipal: {
    takes: ['clientId', 'clientSecret', 'tenantId'],
    needs: [['clientId'], ['clientSecret'], ['tenantId']],
  },
  CustomKeys: { takes: ['keys'], needs: [['keys']] },
  OAuth2: {
    takes: [
      ...['authUrl', 'clientId', 'clientSecret', 'developerToken', 'password', 'refreshToken', 'tenantId', 'username'],
    ],
    needs: [['clientId'], ['clientSecret', 'refreshToken', 'password', 'developerToken']],
  },
};
