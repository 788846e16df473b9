-- 0003 · what the guard holds
--
-- Removals that the guard kept back (requirement A10), waiting for a person. At most one hold of a connection and type
-- waits: whatever is committed after it has seen the directory anew and supersedes it.

CREATE TABLE sync_holds (
    hold_id uuid NOT NULL DEFAULT new_id() PRIMARY KEY,
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    sync_type text NOT NULL,
    sync_id uuid NOT NULL,          -- the sync that held
    reasons text[] NOT NULL,
    absent_count bigint NOT NULL,
    flagged_count bigint NOT NULL,
    status text NOT NULL DEFAULT 'WAITING' CHECK (status IN ('WAITING', 'APPROVED', 'REJECTED', 'SUPERSEDED')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_sync_id uuid,           -- APPROVED: the sync that removed them; SUPERSEDED: the one that came after
    FOREIGN KEY (tenant_id, system_type) REFERENCES external_system_connections
);
CREATE UNIQUE INDEX sync_holds_waiting ON sync_holds (tenant_id, system_type, sync_type) WHERE status = 'WAITING';

-- The rows a hold would take away. Those of a superseded one are deleted with its standing: nobody may apply them.
CREATE TABLE sync_hold_rows (
    tenant_id text NOT NULL,
    hold_id uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    name text,
    listing text NOT NULL,
    reason text,                    -- absent, or the source's own word: deleted, disabled, suspended, archived
    content_hash bigint NOT NULL,   -- with it, the next listing that says the same finds nothing to change
    content jsonb,                  -- what would be written beside; null where only that it is gone
    PRIMARY KEY (tenant_id, hold_id, kind, key)
);

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['sync_holds', 'sync_hold_rows'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I TO integration_pipeline_worker '
            'USING (tenant_id = current_setting(''app.tenant_id'', true) AND tenant_id <> '''') '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'', true) AND tenant_id <> '''')', target);
        EXECUTE format('CREATE POLICY all_tenants ON %I TO integration_pipeline_operator USING (true)', target);
        EXECUTE format('GRANT SELECT ON %I TO integration_pipeline_worker, integration_pipeline_operator', target);
    END LOOP;
END $$;

GRANT INSERT, UPDATE (status, decided_at, decided_sync_id) ON sync_holds TO integration_pipeline_worker;
GRANT INSERT, DELETE ON sync_hold_rows TO integration_pipeline_worker;
