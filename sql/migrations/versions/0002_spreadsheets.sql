-- 0002 · the spreadsheets
--
-- Where each tenant's KPIs are published, with whose key, and how the last publishing ended. One spreadsheet belongs to
-- one tenant: rows are found by their day, so two tenants would overwrite one another's.

CREATE TABLE spreadsheets (
    tenant_id text PRIMARY KEY REFERENCES tenants,
    -- Deferred, so that one file may have tenants change places.
    spreadsheet_id text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED CHECK (spreadsheet_id <> ''),
    service_account text NOT NULL,      -- sealed: the key file's JSON
    -- What the sheets were called when they were last seen (sheet id -> title): people rename sheets, and a range can
    -- only be asked for by its sheet's title. Empty = never seen.
    sheet_titles jsonb NOT NULL DEFAULT '{}',
    last_published_at timestamptz,      -- the last time that all went well
    last_failed_at timestamptz,         -- with what follows: how the last publishing went wrong; null when it did not
    last_error_type text,
    last_error text,
    last_remedy text
);

ALTER TABLE spreadsheets ENABLE ROW LEVEL SECURITY;
ALTER TABLE spreadsheets FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON spreadsheets TO integration_pipeline_worker
USING (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '')
WITH CHECK (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '');
CREATE POLICY all_tenants ON spreadsheets TO integration_pipeline_operator USING (true);
GRANT SELECT ON spreadsheets TO integration_pipeline_worker, integration_pipeline_operator;
GRANT UPDATE (sheet_titles, last_published_at, last_failed_at, last_error_type, last_error, last_remedy)
ON spreadsheets TO integration_pipeline_worker;
GRANT INSERT, UPDATE ON spreadsheets TO integration_pipeline_operator;
