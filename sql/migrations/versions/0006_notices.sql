-- 0006 · notices of what only a person can mend
--
-- Consent withdrawn, a token revoked, removals held back: one notice for each cause, connection and UTC day, however
-- many syncs meet it. A notice that no receiver has taken yet stays due. Whoever delivers one claims it first, for some
-- minutes, so that two processes do not both send it.

CREATE TABLE critical_notices (
    notice_id uuid NOT NULL DEFAULT new_id(),
    tenant_id text NOT NULL REFERENCES tenants,
    system_type text NOT NULL,
    day date NOT NULL,
    cause text NOT NULL,
    message text NOT NULL,
    remedy text,
    provider_code text,
    commands text[] NOT NULL,       -- what to type, to look or to act
    created_at timestamptz NOT NULL,
    claimed_until timestamptz,
    delivered_at timestamptz,
    tries integer NOT NULL DEFAULT 0,
    last_error text,
    PRIMARY KEY (tenant_id, day, system_type, cause)
);
CREATE INDEX critical_notices_due ON critical_notices (created_at) WHERE delivered_at IS NULL;

ALTER TABLE critical_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE critical_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON critical_notices TO integration_pipeline_worker
USING (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '')
WITH CHECK (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '');
CREATE POLICY all_tenants ON critical_notices TO integration_pipeline_operator USING (true);
GRANT SELECT ON critical_notices TO integration_pipeline_worker, integration_pipeline_operator;
GRANT INSERT ON critical_notices TO integration_pipeline_worker;
GRANT UPDATE (claimed_until, delivered_at, tries, last_error) ON critical_notices TO integration_pipeline_operator;
