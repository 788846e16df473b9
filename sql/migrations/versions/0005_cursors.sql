-- 0005 · where incremental listings go on
--
-- A provider that tells changes (Microsoft Graph's delta) gives a link with the last page of a listing: asked next
-- night, it tells what changed since. It is kept in the transaction that keeps the rows it stands for, and only with
-- SUCCESS: without one the next night reads the whole listing.

CREATE TABLE sync_cursors (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    sync_type text NOT NULL,
    listing text NOT NULL,
    cursor text NOT NULL,                -- the provider's own text: nobody else reads it
    question text NOT NULL,              -- what was asked: the answer to another question goes on from nowhere
    listed_at timestamptz NOT NULL,      -- when the listing was last read whole: changes alone are not trusted for ever
    moved_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, system_type, sync_type, listing),
    FOREIGN KEY (tenant_id, system_type) REFERENCES external_system_connections
);

ALTER TABLE sync_cursors ENABLE ROW LEVEL SECURITY;
ALTER TABLE sync_cursors FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON sync_cursors TO integration_pipeline_worker
USING (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '')
WITH CHECK (tenant_id = current_setting('app.tenant_id', true) AND tenant_id <> '');
GRANT SELECT, INSERT, UPDATE, DELETE ON sync_cursors TO integration_pipeline_worker;
