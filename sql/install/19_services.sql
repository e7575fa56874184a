-- What kind of service a service is, in FOCUS's words.
CREATE TABLE @extschema@.service_categories (
  cloud_provider text NOT NULL,
  service_code   text NOT NULL,
  category       text NOT NULL CHECK (category IN ('AI and Machine Learning', 'Analytics', 'Business Applications', 'Compute',
                   'Databases', 'Developer Tools', 'Multicloud', 'Identity', 'Integration', 'Internet of Things',
                   'Management and Governance', 'Media', 'Migration', 'Mobile', 'Networking', 'Security', 'Storage', 'Web', 'Other')),
  subcategory    text NOT NULL,
  is_own         boolean NOT NULL DEFAULT true,
  PRIMARY KEY (cloud_provider, service_code, is_own)
);
COMMENT ON TABLE @extschema@.service_categories IS 'FOCUS''s category and subcategory of services, by service_code of costs; where Azure and Google have none or an opaque one, by service. The focus view shows Other for those that are missing here.';
COMMENT ON COLUMN @extschema@.service_categories.cloud_provider IS 'As in costs.';
COMMENT ON COLUMN @extschema@.service_categories.service_code IS 'service_code or service of costs.';
COMMENT ON COLUMN @extschema@.service_categories.category IS 'One of FOCUS 1.2''s nineteen.';
COMMENT ON COLUMN @extschema@.service_categories.subcategory IS 'One of FOCUS 1.2''s for the category.';
COMMENT ON COLUMN @extschema@.service_categories.is_own IS 'Whether it was added or changed here: such a row goes first. The others come with the extension.';

INSERT INTO @extschema@.service_categories (cloud_provider, service_code, category, subcategory, is_own)
SELECT provider, unnest(string_to_array(codes, '|')), category, subcategory, false FROM (VALUES
  ('aws', 'AmazonEC2|AmazonLightsail', 'Compute', 'Virtual Machines'),
  ('aws', 'AmazonECS|AmazonEKS|AmazonECR|AmazonECRPublic', 'Compute', 'Containers'),
  ('aws', 'AWSLambda|AWSBatch|AWSAppRunner', 'Compute', 'Serverless Compute'),
  ('aws', 'ComputeSavingsPlans', 'Compute', 'Other (Compute)'),
  ('aws', 'AmazonWorkSpaces|AmazonAppStream', 'Compute', 'End User Computing'),
  ('aws', 'AmazonS3|AmazonGlacier|AmazonS3GlacierDeepArchive', 'Storage', 'Object Storage'),
  ('aws', 'AmazonEFS|AmazonFSx', 'Storage', 'File Storage'),
  ('aws', 'AWSBackup', 'Storage', 'Backup Storage'),
  ('aws', 'AWSStorageGateway', 'Storage', 'Storage Platforms'),
  ('aws', 'AmazonRDS', 'Databases', 'Relational Databases'),
  ('aws', 'AmazonDynamoDB|AmazonDocDB|AmazonNeptune|AmazonMCS', 'Databases', 'NoSQL Databases'),
  ('aws', 'AmazonElastiCache|AmazonMemoryDB|AmazonDAX', 'Databases', 'Caching'),
  ('aws', 'AmazonRedshift', 'Databases', 'Data Warehouses'),
  ('aws', 'AmazonTimestream', 'Databases', 'Time Series Databases'),
  ('aws', 'AmazonQLDB', 'Databases', 'Ledger Databases'),
  ('aws', 'AmazonVPC|AmazonRoute53|AWSTransitGateway|AWSDirectConnect|AmazonClientVPN', 'Networking', 'Network Connectivity'),
  ('aws', 'AWSELB|AWSAppMesh|AWSCloudMap|AWSGlobalAccelerator', 'Networking', 'Application Networking'),
  ('aws', 'AmazonCloudFront', 'Networking', 'Content Delivery'),
  ('aws', 'AWSDataTransfer', 'Networking', 'Network Infrastructure'),
  ('aws', 'AWSNetworkFirewall|awswaf|AWSShield|AWSFMS', 'Networking', 'Network Security'),
  ('aws', 'AmazonAthena|AWSGlue|ElasticMapReduce|AWSLakeFormation', 'Analytics', 'Data Processing'),
  ('aws', 'AmazonKinesis|AmazonKinesisFirehose|AmazonKinesisAnalytics|AmazonMSK', 'Analytics', 'Streaming Analytics'),
  ('aws', 'AmazonES|AmazonOpenSearchService|AmazonCloudSearch', 'Analytics', 'Search'),
  ('aws', 'AmazonQuickSight', 'Analytics', 'Business Intelligence'),
  ('aws', 'AWSQueueService|AmazonSNS|AmazonSES|AmazonMQ|AWSEvents', 'Integration', 'Messaging'),
  ('aws', 'AmazonStates', 'Integration', 'Workflow Orchestration'),
  ('aws', 'AmazonApiGateway|AWSAppSync', 'Integration', 'API Management'),
  ('aws', 'AmazonCloudWatch|AWSXRay|AWSCloudTrail|AmazonGrafana|AmazonPrometheus', 'Management and Governance', 'Observability'),
  ('aws', 'AWSConfig|AWSAuditManager|AWSControlTower', 'Management and Governance', 'Compliance'),
  ('aws', 'AWSBudgets|AWSCostExplorer', 'Management and Governance', 'Cost Management'),
  ('aws', 'AWSSystemsManager|AWSCloudFormation|AWSServiceCatalog', 'Management and Governance', 'Other (Management and Governance)'),
  ('aws', 'AWSSupportBusiness|AWSSupportEnterprise|AWSSupportDeveloper|AWSDeveloperSupport|OCBPremiumSupport', 'Management and Governance', 'Support'),
  ('aws', 'AWSSecretsManager|awskms|CloudHSM', 'Security', 'Secret Management'),
  ('aws', 'AmazonGuardDuty|AmazonDetective|AmazonMacie', 'Security', 'Threat Detection and Response'),
  ('aws', 'AmazonInspector|AmazonInspectorV2|AWSSecurityHub', 'Security', 'Security Posture Management'),
  ('aws', 'AmazonCognito|AWSDirectoryService|AWSIAMAccessAnalyzer', 'Identity', 'Identity and Access Management'),
  ('aws', 'AmazonSageMaker', 'AI and Machine Learning', 'Machine Learning'),
  ('aws', 'AmazonBedrock|AmazonBedrockService', 'AI and Machine Learning', 'Generative AI'),
  ('aws', 'AmazonLex|AmazonPolly|transcribe|translate|comprehend', 'AI and Machine Learning', 'Natural Language Processing'),
  ('aws', 'CodeBuild|AWSCodePipeline|AWSCodeDeploy', 'Developer Tools', 'Continuous Integration and Deployment'),
  ('aws', 'AWSCodeCommit', 'Developer Tools', 'Source Code Management'),
  ('aws', 'AWSIoT|IoTDeviceManagement', 'Internet of Things', 'IoT Platforms'),
  ('aws', 'AWSDatabaseMigrationSvc|AWSDataSync|AWSTransfer', 'Migration', 'Data Migration'),
  ('aws', 'AWSAmplify', 'Web', 'Application Platforms'),
  ('azure', 'Virtual Machines|Virtual Machines Licenses|Cloud Services', 'Compute', 'Virtual Machines'),
  ('azure', 'Azure Kubernetes Service|Container Instances|Container Registry|Azure Container Apps', 'Compute', 'Containers'),
  ('azure', 'Functions|Logic Apps', 'Compute', 'Serverless Compute'),
  ('azure', 'Storage', 'Storage', 'Storage Platforms'),
  ('azure', 'Backup', 'Storage', 'Backup Storage'),
  ('azure', 'SQL Database|SQL Managed Instance|Azure Database for PostgreSQL|Azure Database for MySQL', 'Databases', 'Relational Databases'),
  ('azure', 'Azure Cosmos DB', 'Databases', 'NoSQL Databases'),
  ('azure', 'Redis Cache', 'Databases', 'Caching'),
  ('azure', 'Azure Synapse Analytics', 'Databases', 'Data Warehouses'),
  ('azure', 'Bandwidth', 'Networking', 'Network Infrastructure'),
  ('azure', 'Virtual Network|VPN Gateway|ExpressRoute|Azure DNS|NAT Gateway|Virtual WAN', 'Networking', 'Network Connectivity'),
  ('azure', 'Load Balancer|Application Gateway|Azure Front Door Service', 'Networking', 'Application Networking'),
  ('azure', 'Content Delivery Network', 'Networking', 'Content Delivery'),
  ('azure', 'Azure Firewall|Azure DDOS Protection', 'Networking', 'Network Security'),
  ('azure', 'Azure Monitor|Log Analytics|Application Insights', 'Management and Governance', 'Observability'),
  ('azure', 'Key Vault', 'Security', 'Secret Management'),
  ('azure', 'Microsoft Defender for Cloud|Advanced Threat Protection|Sentinel', 'Security', 'Threat Detection and Response'),
  ('azure', 'Azure App Service', 'Web', 'Application Platforms'),
  ('azure', 'Azure Data Factory|Azure Data Factory v2|Azure Databricks|HDInsight', 'Analytics', 'Data Processing'),
  ('azure', 'Event Hubs|Stream Analytics', 'Analytics', 'Streaming Analytics'),
  ('azure', 'Service Bus|Event Grid', 'Integration', 'Messaging'),
  ('azure', 'API Management', 'Integration', 'API Management'),
  ('azure', 'Azure Machine Learning', 'AI and Machine Learning', 'Machine Learning'),
  ('azure', 'Azure OpenAI', 'AI and Machine Learning', 'Generative AI'),
  ('gcp', 'Compute Engine|VMware Engine', 'Compute', 'Virtual Machines'),
  ('gcp', 'Kubernetes Engine|Artifact Registry|Container Registry', 'Compute', 'Containers'),
  ('gcp', 'Cloud Run|Cloud Functions|Cloud Run Functions', 'Compute', 'Serverless Compute'),
  ('gcp', 'App Engine|Firebase Hosting', 'Web', 'Application Platforms'),
  ('gcp', 'Cloud Storage', 'Storage', 'Object Storage'),
  ('gcp', 'Cloud Filestore', 'Storage', 'File Storage'),
  ('gcp', 'Cloud SQL|Cloud Spanner|AlloyDB', 'Databases', 'Relational Databases'),
  ('gcp', 'Cloud Bigtable|Cloud Firestore', 'Databases', 'NoSQL Databases'),
  ('gcp', 'Cloud Memorystore for Redis', 'Databases', 'Caching'),
  ('gcp', 'BigQuery|BigQuery Reservation API|BigQuery Storage API', 'Databases', 'Data Warehouses'),
  ('gcp', 'Networking|Cloud DNS|Cloud VPN', 'Networking', 'Network Connectivity'),
  ('gcp', 'Cloud CDN', 'Networking', 'Content Delivery'),
  ('gcp', 'Cloud Logging|Cloud Monitoring|Stackdriver Logging|Stackdriver Monitoring', 'Management and Governance', 'Observability'),
  ('gcp', 'Support', 'Management and Governance', 'Support'),
  ('gcp', 'Cloud Dataflow|Cloud Dataproc|Cloud Data Fusion', 'Analytics', 'Data Processing'),
  ('gcp', 'Cloud Pub/Sub', 'Integration', 'Messaging'),
  ('gcp', 'Cloud Key Management Service (KMS)|Secret Manager', 'Security', 'Secret Management'),
  ('gcp', 'Security Command Center', 'Security', 'Security Posture Management'),
  ('gcp', 'Vertex AI', 'AI and Machine Learning', 'Machine Learning'),
  ('gcp', 'Cloud Build', 'Developer Tools', 'Continuous Integration and Deployment')
) known (provider, codes, category, subcategory);
CREATE FUNCTION @extschema@.own_service_category() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.is_own := true;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION @extschema@.own_service_category() IS 'Marks a row of service_categories as one that pg_dump must keep.';
CREATE TRIGGER own BEFORE INSERT OR UPDATE ON @extschema@.service_categories
  FOR EACH ROW EXECUTE FUNCTION @extschema@.own_service_category();
SELECT pg_catalog.pg_extension_config_dump('@extschema@.service_categories', 'WHERE is_own');
GRANT SELECT ON @extschema@.service_categories TO cost_reader;
GRANT INSERT, UPDATE, DELETE ON @extschema@.service_categories TO cost_admin;
