-- 0001 · the directory
--
-- Who the tenants are, how their providers are reached, what the providers hold, who is who, and what happened.
--
-- Reasons that hold for every table:
-- * tenant_id stands first in every key, and row-level security shows a session only the tenant named in
--   app.tenant_id. A setting that was never made reads as NULL, one that fell back after SET LOCAL as '': no tenant's.
-- * The pipeline works as integration_pipeline_worker, which neither owns the tables nor bypasses the policies, also
--   where the login itself is a superuser (the embedded database). Operators' listings across tenants use
--   integration_pipeline_operator, which reads what lists show and imports what files bring.
-- * system_type and kind have no CHECK: the registry of providers is the one list of them.

-- Roles belong to the whole server: another database of it may have them already, or be making them at this moment.
DO $$
DECLARE
    role_name text;
    -- From 16 on whoever creates a role is a member that may grant it but not become it. 15 does not know the word SET.
    usable text := CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['integration_pipeline_worker', 'integration_pipeline_operator'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
        IF NOT pg_has_role(role_name, usable) THEN
            EXECUTE format('GRANT %I TO %I', role_name, current_user);
        END IF;
    END LOOP;
END $$;

-- Time-ordered ids (RFC 9562, version 7): new rows append to the end of their index. PostgreSQL 15 has no uuidv7().
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;

CREATE TABLE tenants (
    tenant_id text PRIMARY KEY CHECK (tenant_id <> ''),
    name text NOT NULL,
    time_zone text NOT NULL DEFAULT 'Asia/Tokyo',
    locale text NOT NULL DEFAULT 'ja',
    -- Moves whenever the tenant's internal users or hand-made links do, so that a quiet night need not match again.
    matching_version bigint NOT NULL DEFAULT 0
);

CREATE TABLE internal_users (
    tenant_id text NOT NULL REFERENCES tenants,
    internal_user_id text NOT NULL CHECK (internal_user_id <> ''),
    email text,
    employee_number text,
    display_name text,
    is_active boolean NOT NULL DEFAULT true,
    -- Stored, since lower() is no index condition under row-level security.
    email_key text GENERATED ALWAYS AS (nullif(lower(btrim(email)), '')) STORED,
    employee_key text GENERATED ALWAYS AS (nullif(btrim(employee_number), '')) STORED,
    PRIMARY KEY (tenant_id, internal_user_id)
);

CREATE TABLE external_system_connections (
    tenant_id text NOT NULL REFERENCES tenants,
    system_type text NOT NULL,
    api_endpoint text,
    client_id text,
    client_secret text,      -- sealed
    access_token text,       -- sealed
    refresh_token text,      -- sealed
    token_expires_at timestamptz,
    sync_enabled boolean NOT NULL DEFAULT true,
    last_sync_at timestamptz,
    sync_users boolean NOT NULL DEFAULT true,
    sync_teams boolean NOT NULL DEFAULT true,
    sync_notifications boolean NOT NULL DEFAULT true,
    batch_size integer NOT NULL DEFAULT 100,
    api_rate_limit integer NOT NULL DEFAULT 60,
    retry_attempts integer NOT NULL DEFAULT 3,
    timeout_seconds integer NOT NULL DEFAULT 30,
    options jsonb NOT NULL DEFAULT '{}',
    secret_options jsonb NOT NULL DEFAULT '{}',   -- option name -> sealed value
    workspace jsonb NOT NULL DEFAULT '{}',
    -- Set and committed before a refresh token is spent, cleared with the new pair: a refresh cut off in between shows.
    refresh_started_at timestamptz,
    -- Moves with every apply; an apply that read an older one is refused.
    sync_generation bigint NOT NULL DEFAULT 0,
    -- The end of the last complete listing of users: external_user_mappings.last_synced_at of every user it held.
    users_listed_at timestamptz,
    -- tenants.matching_version when users were last matched.
    matched_version bigint NOT NULL DEFAULT -1,
    PRIMARY KEY (tenant_id, system_type)
);

-- The tables a sync fills have no foreign keys: they are written by one statement for a connection that is locked and
-- known, and a check per row costs as much as the insert.
CREATE TABLE external_users (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    external_user_id text NOT NULL,
    mapping_id uuid NOT NULL DEFAULT new_id(),
    kind text NOT NULL,
    listing text NOT NULL,
    is_active boolean NOT NULL,
    inactive_reason text,
    external_username text,
    external_email text,
    flags text,
    external_key text,
    employee_number text,
    match_email text,
    match_email_2 text,
    employee_key text GENERATED ALWAYS AS (nullif(btrim(employee_number), '')) STORED,
    email_key text GENERATED ALWAYS AS (nullif(lower(btrim(match_email)), '')) STORED,
    email_key_2 text GENERATED ALWAYS AS (nullif(lower(btrim(match_email_2)), '')) STORED,
    content_hash bigint NOT NULL,
    created_sync_id uuid NOT NULL,
    changed_sync_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, system_type, external_user_id)
);

CREATE TABLE external_teams (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    kind text NOT NULL,      -- TEAM, CHANNEL, GROUP, ORG_UNIT, USER_GROUP
    external_team_id text NOT NULL,
    listing text NOT NULL,
    is_active boolean NOT NULL,
    inactive_reason text,
    parent_id text,
    name text,
    description text,
    visibility text,
    is_archived boolean NOT NULL DEFAULT false,
    content_hash bigint NOT NULL,
    created_sync_id uuid NOT NULL,
    changed_sync_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, system_type, kind, external_team_id)
);

CREATE TABLE notification_settings (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    kind text NOT NULL,      -- BOT, INSTALLED_APP, SUBSCRIPTION
    external_id text NOT NULL,
    listing text NOT NULL,
    is_active boolean NOT NULL,
    inactive_reason text,
    external_team_id text,
    name text,
    settings jsonb NOT NULL DEFAULT '{}',
    content_hash bigint NOT NULL,
    created_sync_id uuid NOT NULL,
    changed_sync_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, system_type, kind, external_id)
);

-- Links made by hand; they may stand before the account was ever seen.
CREATE TABLE user_links (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    external_user_id text NOT NULL,
    internal_user_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, system_type, external_user_id),
    FOREIGN KEY (tenant_id, internal_user_id) REFERENCES internal_users
);

-- What matching found, for the accounts about which it found something. An account without a row here is unmatched.
CREATE TABLE user_matches (
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    external_user_id text NOT NULL,
    internal_user_id text,
    rule text NOT NULL,      -- LINK, EXTERNAL_KEY, EMPLOYEE_NUMBER, EMAIL, EMAIL_2
    sync_status text NOT NULL CHECK (sync_status IN ('ACTIVE', 'INACTIVE', 'ERROR')),
    reason text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, system_type, external_user_id)
);

CREATE TABLE external_system_sync_history (
    sync_id uuid NOT NULL PRIMARY KEY,
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    sync_type text NOT NULL,
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    -- A row is born FAILED / INTERRUPTED and becomes anything better only in the transaction that commits the data.
    status text NOT NULL DEFAULT 'FAILED' CHECK (status IN ('SUCCESS', 'PARTIAL', 'FAILED')),
    records_processed bigint NOT NULL DEFAULT 0,
    records_updated bigint NOT NULL DEFAULT 0,
    records_created bigint NOT NULL DEFAULT 0,
    records_deleted bigint NOT NULL DEFAULT 0,
    records_unchanged bigint NOT NULL DEFAULT 0,
    records_rejected bigint NOT NULL DEFAULT 0,
    error_type text DEFAULT 'INTERRUPTED',
    error_message text,
    remedy text,
    warnings text[] NOT NULL DEFAULT '{}',
    api_calls integer NOT NULL DEFAULT 0,
    run_id text,             -- the Dagster run, where one did it
    FOREIGN KEY (tenant_id, system_type) REFERENCES external_system_connections
);
CREATE INDEX external_system_sync_history_by_tenant
    ON external_system_sync_history (tenant_id, started_at DESC);
CREATE INDEX external_system_sync_history_by_start ON external_system_sync_history (started_at);

CREATE TABLE sync_changes (
    sync_id uuid NOT NULL,
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    sync_type text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    action text NOT NULL CHECK (action IN ('UPDATED', 'DEACTIVATED', 'REACTIVATED')),
    before jsonb NOT NULL,
    PRIMARY KEY (tenant_id, sync_id, kind, key)
);

CREATE TABLE sync_errors (
    error_id uuid NOT NULL DEFAULT new_id() PRIMARY KEY,
    sync_id uuid NOT NULL,
    tenant_id text NOT NULL,
    system_type text NOT NULL,
    sync_type text NOT NULL,
    error_type text NOT NULL,
    error_message text NOT NULL,
    provider_code text,
    remedy text,
    kind text,
    record_key text,
    stack_trace text,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX sync_errors_by_sync ON sync_errors (tenant_id, sync_id);

CREATE TABLE progress_kpis (
    tenant_id text NOT NULL REFERENCES tenants,
    day date NOT NULL,
    overall_progress double precision,
    task_completion_rate double precision,
    quality_score double precision,
    team_satisfaction double precision,
    blockers_count double precision,
    code_review_time double precision,
    deploy_success_rate double precision,
    PRIMARY KEY (tenant_id, day)
);

CREATE TABLE daily_kpis (
    tenant_id text NOT NULL REFERENCES tenants,
    day date NOT NULL,
    kpi text NOT NULL,
    value double precision,
    PRIMARY KEY (tenant_id, day, kpi)
);

-- Any writer of internal users or links, the host application included, moves its tenants' matching_version.
CREATE FUNCTION move_matching_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE tenants SET matching_version = matching_version + 1
    WHERE tenant_id IN (SELECT tenant_id FROM moved);
    RETURN NULL;
END $$;

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['internal_users', 'user_links'] LOOP
        EXECUTE format('CREATE TRIGGER matching_after_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS moved '
                       'FOR EACH STATEMENT EXECUTE FUNCTION move_matching_version()', target);
        EXECUTE format('CREATE TRIGGER matching_after_update AFTER UPDATE ON %I REFERENCING NEW TABLE AS moved '
                       'FOR EACH STATEMENT EXECUTE FUNCTION move_matching_version()', target);
        EXECUTE format('CREATE TRIGGER matching_after_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS moved '
                       'FOR EACH STATEMENT EXECUTE FUNCTION move_matching_version()', target);
    END LOOP;
END $$;

-- Requirement A6's table. last_synced_at moves every night although nothing is written: it is the connection's last
-- complete listing, as long as the account was in it.
CREATE VIEW external_user_mappings WITH (security_invoker = true) AS
SELECT
    u.mapping_id,
    u.tenant_id,
    m.internal_user_id,
    u.system_type,
    u.external_user_id,
    u.external_username,
    u.external_email,
    CASE WHEN NOT u.is_active THEN 'INACTIVE' ELSE coalesce(m.sync_status, 'ACTIVE') END AS sync_status,
    CASE
        WHEN u.inactive_reason = 'absent' OR c.users_listed_at IS NULL THEN u.changed_at
        ELSE greatest(u.changed_at, c.users_listed_at)
    END AS last_synced_at,
    CASE WHEN NOT u.is_active THEN u.inactive_reason ELSE m.reason END AS reason,
    m.rule,
    u.flags
FROM external_users AS u
INNER JOIN external_system_connections AS c USING (tenant_id, system_type)
LEFT JOIN user_matches AS m USING (tenant_id, system_type, external_user_id);

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY[
        'tenants', 'internal_users', 'external_system_connections', 'external_users', 'external_teams',
        'notification_settings', 'user_links', 'user_matches', 'external_system_sync_history', 'sync_changes',
        'sync_errors', 'progress_kpis', 'daily_kpis'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', target);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', target);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I TO integration_pipeline_worker '
            'USING (tenant_id = current_setting(''app.tenant_id'', true) AND tenant_id <> '''') '
            'WITH CHECK (tenant_id = current_setting(''app.tenant_id'', true) AND tenant_id <> '''')', target);
        EXECUTE format('CREATE POLICY all_tenants ON %I TO integration_pipeline_operator USING (true)', target);
        EXECUTE format('GRANT SELECT ON %I TO integration_pipeline_worker, integration_pipeline_operator', target);
    END LOOP;
    -- FORCE binds the owner too, and the trigger above runs as the owner.
    EXECUTE format('CREATE POLICY by_the_owner ON tenants TO %I USING (true)', current_user);
END $$;

GRANT SELECT ON external_user_mappings TO integration_pipeline_worker, integration_pipeline_operator;
GRANT INSERT, UPDATE ON external_users, external_teams, notification_settings TO integration_pipeline_worker;
GRANT INSERT, UPDATE, DELETE ON user_matches TO integration_pipeline_worker;
GRANT INSERT, UPDATE ON external_system_sync_history TO integration_pipeline_worker;
GRANT INSERT ON sync_changes, sync_errors TO integration_pipeline_worker;
GRANT UPDATE ON external_system_connections TO integration_pipeline_worker;
GRANT INSERT, UPDATE, DELETE ON user_links TO integration_pipeline_worker;
GRANT INSERT, UPDATE ON daily_kpis TO integration_pipeline_worker;
GRANT INSERT, UPDATE ON tenants, internal_users, external_system_connections, progress_kpis
    TO integration_pipeline_operator;
-- Alembic's own table: whoever opens the database asks it whether the schema is this program's.
GRANT SELECT ON alembic_version TO integration_pipeline_operator;
