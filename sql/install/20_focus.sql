-- The same facts under the names of FOCUS 1.2.
CREATE FUNCTION @extschema@.resource_type(resource_id text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE
    -- arn:aws:lambda:eu-west-1:111122223333:function:name, arn:aws:ec2:…:instance/i-1, arn:aws:s3:::bucket
    WHEN resource_id LIKE 'arn:%:%:%:%:%'
      THEN concat_ws(':', split_part(resource_id, ':', 3), substring(resource_id FROM '^(?:[^:]*:){5}([a-zA-Z-]+)[:/]'))
    -- /subscriptions/…/providers/Microsoft.Compute/virtualMachines/name
    WHEN resource_id ~* '/providers/[^/]+/[^/]+/' THEN lower(substring(resource_id FROM '(?i)^.*/providers/([^/]+/[^/]+)/'))
    -- //compute.googleapis.com/projects/p/zones/z/instances/1
    WHEN resource_id LIKE '//%/%/%' THEN concat_ws('/', split_part(resource_id, '/', 3), substring(resource_id FROM '([^/]+)/[^/]+$'))
    WHEN resource_id ~ '^[a-z]+-[0-9a-f]{8,}$' THEN split_part(resource_id, '-', 1)
  END;
COMMENT ON FUNCTION @extschema@.resource_type(text) IS
  'What kind of resource an id is of, as far as the id says: lambda:function, microsoft.compute/virtualmachines, i for an instance; NULL where it does not.';

CREATE VIEW @extschema@.charges WITH (security_invoker = true) AS
SELECT f.* FROM @extschema@.fact_usage f
UNION ALL
SELECT d.source_name, d.billing_period, d.date, d.invoice_month, d.cloud_provider, d.payer_account_id, d.account_id, d.account_name,
       d.service, d.service_code, d.region, d.line_item_type, d.charge_category, d.charge_class, d.charge_group, d.commitment_type,
       d.currency, d.invoice_id, d.invoice_issuer, d.seller, d.cost, d.blended_cost, d.net_cost, d.amortized_cost,
       d.net_amortized_cost, d.list_cost, d.ri_sp_trueup, d.ri_sp_upfront_fees, d.line_items, d.sync_timestamp,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', '{}', NULL, NULL, NULL, NULL
  FROM @extschema@.costs_daily d
 WHERE NOT EXISTS (SELECT FROM @extschema@.manifests m
                    WHERE m.source_name = d.source_name AND m.billing_period = d.billing_period AND m.in_facts);
COMMENT ON VIEW @extschema@.charges IS 'fact_usage, and costs_daily for months that it does not hold: what focus is made of.';

CREATE VIEW @extschema@.focus WITH (security_invoker = true) AS
WITH parts AS (
  SELECT c.*, false AS is_unused FROM @extschema@.charges c
   -- Of an amortized Azure export only what its actual twin does not say: the cost of covered usage.
   WHERE NOT (c.cloud_provider = 'azure' AND c.net_cost IS NULL AND c.commitment_type IS NULL)
  UNION ALL
  -- A commitment's fee is a purchase of no effect; what of it was not used is usage that was not billed.
  SELECT c.*, true FROM @extschema@.charges c
   WHERE c.cloud_provider = 'aws' AND c.line_item_type IN ('RIFee', 'SavingsPlanRecurringFee') AND c.amortized_cost <> 0
), billed AS (
  SELECT p.*,
         CASE p.cloud_provider WHEN 'aws' THEN 'AWS' WHEN 'azure' THEN 'Microsoft' WHEN 'gcp' THEN 'Google Cloud' ELSE initcap(p.cloud_provider) END AS provider,
         CASE WHEN p.is_unused THEN 'Usage' ELSE p.charge_category END AS category,
         -- A covered line and its negation cancel; FOCUS has neither.
         CASE WHEN p.is_unused OR p.line_item_type IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 0
              ELSE coalesce(p.net_cost, p.cost) END AS billed,
         nullif(p.account_id, 'unknown') AS sub_account_id
    FROM parts p
), categories AS (
  SELECT DISTINCT ON (s.cloud_provider, s.service_code) s.* FROM @extschema@.service_categories s
   ORDER BY s.cloud_provider, s.service_code, s.is_own DESC
), named AS (
  SELECT b.*,
         CASE WHEN b.commitment_type IS NOT NULL AND b.category = 'Purchase' THEN 0
              ELSE coalesce(b.net_amortized_cost, b.amortized_cost, b.billed) END AS effective
    FROM billed b)
SELECT n.availability_zone AS "AvailabilityZone",
       n.billed AS "BilledCost",
       coalesce(n.payer_account_id, n.account_id) AS "BillingAccountId",
       coalesce(n.payer_account_name, payer.name) AS "BillingAccountName",
       CASE n.cloud_provider WHEN 'aws' THEN 'Payer Account' ELSE 'Billing Account' END AS "BillingAccountType",
       n.currency AS "BillingCurrency",
       (n.invoice_month + interval '1 month') AT TIME ZONE 'UTC' AS "BillingPeriodEnd",
       n.invoice_month::timestamp AT TIME ZONE 'UTC' AS "BillingPeriodStart",
       NULL::text AS "CapacityReservationId",
       NULL::text AS "CapacityReservationStatus",
       n.category AS "ChargeCategory",
       n.charge_class AS "ChargeClass",
       n.charge_description AS "ChargeDescription",
       CASE WHEN n.is_unused THEN 'Usage-Based' ELSE n.charge_frequency END AS "ChargeFrequency",
       (n.date + interval '1 day') AT TIME ZONE 'UTC' AS "ChargePeriodEnd",
       n.date::timestamp AT TIME ZONE 'UTC' AS "ChargePeriodStart",
       CASE WHEN n.commitment_id IS NULL THEN NULL WHEN n.commitment_type LIKE '%Savings%' THEN 'Spend' ELSE 'Usage' END AS "CommitmentDiscountCategory",
       n.commitment_id AS "CommitmentDiscountId",
       NULL::text AS "CommitmentDiscountName",
       NULL::numeric AS "CommitmentDiscountQuantity",
       CASE WHEN n.commitment_id IS NULL OR n.category <> 'Usage' THEN NULL WHEN n.is_unused THEN 'Unused' ELSE n.commitment_status END AS "CommitmentDiscountStatus",
       CASE WHEN n.commitment_id IS NOT NULL THEN n.commitment_type END AS "CommitmentDiscountType",
       NULL::text AS "CommitmentDiscountUnit",
       CASE WHEN n.category = 'Usage' AND NOT n.is_unused THEN n.usage_amount END AS "ConsumedQuantity",
       CASE WHEN n.category = 'Usage' AND NOT n.is_unused AND n.usage_amount IS NOT NULL THEN n.usage_unit END AS "ConsumedUnit",
       CASE WHEN n.is_unused THEN 0 WHEN n.category = 'Credit' THEN n.billed ELSE coalesce(n.contracted_cost, n.billed) END AS "ContractedCost",
       NULL::numeric AS "ContractedUnitPrice",
       n.effective AS "EffectiveCost",
       n.invoice_id AS "InvoiceId",
       coalesce(n.invoice_issuer, n.provider) AS "InvoiceIssuerName",
       CASE WHEN n.is_unused THEN 0 WHEN n.category = 'Usage' AND n.charge_group <> 'Discount'
            THEN coalesce(n.list_cost, n.contracted_cost, n.billed) ELSE n.billed END AS "ListCost",
       NULL::numeric AS "ListUnitPrice",
       CASE WHEN n.is_unused THEN 'Committed' WHEN n.category <> 'Tax' THEN n.pricing_category END AS "PricingCategory",
       coalesce(n.pricing_currency, n.currency) AS "PricingCurrency",
       NULL::numeric AS "PricingCurrencyContractedUnitPrice",
       CASE WHEN coalesce(n.pricing_currency, n.currency) = n.currency THEN n.effective ELSE n.pricing_currency_effective_cost END AS "PricingCurrencyEffectiveCost",
       NULL::numeric AS "PricingCurrencyListUnitPrice",
       CASE WHEN n.category IN ('Usage', 'Purchase') AND NOT n.is_unused THEN n.pricing_quantity END AS "PricingQuantity",
       CASE WHEN n.category IN ('Usage', 'Purchase') AND NOT n.is_unused AND n.pricing_quantity IS NOT NULL THEN n.pricing_unit END AS "PricingUnit",
       n.provider AS "ProviderName",
       coalesce(n.seller, n.provider) AS "PublisherName",
       n.region AS "RegionId",
       CASE WHEN n.region IS NOT NULL THEN coalesce(n.region_name, n.region) END AS "RegionName",
       n.resource_id AS "ResourceId",
       CASE WHEN n.resource_id IS NOT NULL THEN coalesce(n.tags ->> 'Name', n.tags ->> 'name') END AS "ResourceName",
       CASE WHEN n.resource_id IS NOT NULL THEN coalesce(@extschema@.resource_type(n.resource_id), n.service_code, n.service) END AS "ResourceType",
       coalesce(code.category, name.category, 'Other') AS "ServiceCategory",
       n.service AS "ServiceName",
       coalesce(code.subcategory, name.subcategory, 'Other (Other)') AS "ServiceSubcategory",
       CASE WHEN n.category <> 'Tax' THEN n.sku_id END AS "SkuId",
       CASE WHEN n.category <> 'Tax' AND n.sku_id IS NOT NULL THEN n.usage_type END AS "SkuMeter",
       NULL::jsonb AS "SkuPriceDetails",
       CASE WHEN n.category <> 'Tax' THEN n.sku_price_id END AS "SkuPriceId",
       n.sub_account_id AS "SubAccountId",
       CASE WHEN n.sub_account_id IS NOT NULL THEN coalesce(n.account_name, account.name) END AS "SubAccountName",
       CASE WHEN n.sub_account_id IS NULL THEN NULL ELSE CASE n.cloud_provider WHEN 'azure' THEN 'Subscription' WHEN 'gcp' THEN 'Project' ELSE 'Account' END END AS "SubAccountType",
       n.tags AS "Tags",
       n.cost_categories AS "x_CostCategories",
       n.line_item_type AS "x_LineItemType",
       n.operation AS "x_Operation",
       n.service_code AS "x_ServiceCode",
       n.source_name AS "x_SourceName",
       n.usage_type AS "x_UsageType"
  FROM named n
  LEFT JOIN categories code ON code.cloud_provider = n.cloud_provider AND code.service_code = n.service_code
  LEFT JOIN categories name ON name.cloud_provider = n.cloud_provider AND name.service_code = n.service
  LEFT JOIN @extschema@.accounts account ON account.account_id = n.account_id
  LEFT JOIN @extschema@.accounts payer ON payer.account_id = n.payer_account_id;
COMMENT ON VIEW @extschema@.focus IS 'All charges under the names of FOCUS 1.2, by day; with resources, SKUs, quantities and tags of sources that keep facts. Charges of an amortized Azure export only add the cost of what commitments cover to those of the actual one.';
GRANT SELECT ON @extschema@.charges, @extschema@.focus TO cost_reader;

-- FOCUS itself says what its columns are; here is whether and when they are NULL.
DO $$
DECLARE
  c record;
BEGIN
  FOR c IN
    SELECT a.attname, CASE
             WHEN a.attname LIKE 'x\_%' THEN 'Not FOCUS''s: ' || lower(regexp_replace(substr(a.attname, 3), '(?<=[a-z])([A-Z])', ' \1', 'g')) || ', as in fact_usage.'
             WHEN a.attname IN ('CapacityReservationId', 'CapacityReservationStatus', 'CommitmentDiscountName', 'CommitmentDiscountQuantity',
                                'CommitmentDiscountUnit', 'ContractedUnitPrice', 'ListUnitPrice', 'PricingCurrencyContractedUnitPrice', 'PricingCurrencyListUnitPrice',
                                'SkuPriceDetails')
               THEN 'FOCUS 1.2. Always NULL: not known over a day''s rows of every provider.'
             WHEN a.attname IN ('AvailabilityZone', 'ChargeDescription', 'ChargeFrequency', 'CommitmentDiscountCategory', 'CommitmentDiscountId',
                                'CommitmentDiscountStatus', 'CommitmentDiscountType', 'ConsumedQuantity', 'ConsumedUnit', 'PricingCategory',
                                'PricingQuantity', 'PricingUnit', 'ResourceId', 'ResourceName', 'ResourceType', 'SkuId', 'SkuMeter', 'SkuPriceId', 'Tags')
               THEN 'FOCUS 1.2. Of sources with facts = true.'
             WHEN a.attname = 'PricingCurrencyEffectiveCost' THEN 'FOCUS 1.2. NULL where prices are in another currency than the bill and the export does not have it.'
             ELSE 'FOCUS 1.2.' END AS meaning
      FROM pg_attribute a WHERE a.attrelid = '@extschema@.focus'::regclass AND a.attnum > 0 LOOP
    EXECUTE format('COMMENT ON COLUMN @extschema@.focus.%I IS %L', c.attname, c.meaning);
  END LOOP;
END
$$;
