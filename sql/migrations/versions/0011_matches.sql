-- 0011 · what matching finds stands in the account's row
--
-- A table beside the accounts cost a second row and a second index entry for nine accounts in ten. Now that only what a
-- change touches is matched anew, a change of people rewrites the accounts whose mapping it changes and no other.
--
-- match_user_id: whom the account reaches, also where that is an ERROR, since another account's change can mend it;
-- null where it reaches nobody, or several. What people read, external_user_mappings, shows it only where it holds.

ALTER TABLE external_users
ADD COLUMN match_rule text,      -- LINK, EXTERNAL_KEY, EMPLOYEE_NUMBER, EMAIL, EMAIL_2; null: nobody is found
ADD COLUMN match_user_id text,
ADD COLUMN match_status text,
ADD COLUMN match_reason text;

-- FORCE binds the owner too.
ALTER TABLE external_users NO FORCE ROW LEVEL SECURITY;
ALTER TABLE user_matches NO FORCE ROW LEVEL SECURITY;

UPDATE external_users AS account SET
    match_rule = found.rule,
    match_user_id = coalesce(
        found.internal_user_id, substring(found.reason FROM '^several accounts reach internal user (.*)$')
    ),
    match_status = found.sync_status,
    match_reason = found.reason
FROM user_matches AS found
WHERE
    account.tenant_id = found.tenant_id AND account.system_type = found.system_type
    AND account.external_user_id = found.external_user_id;

ALTER TABLE external_users FORCE ROW LEVEL SECURITY;

ALTER TABLE external_users
ADD CONSTRAINT external_users_match_status_check CHECK (match_status IN ('ACTIVE', 'INACTIVE', 'ERROR'));

CREATE OR REPLACE VIEW external_user_mappings WITH (security_invoker = true) AS
SELECT
    id_of(u.tenant_id, u.system_type, u.external_user_id) AS mapping_id,
    u.tenant_id,
    CASE WHEN u.match_status <> 'ERROR' THEN u.match_user_id END AS internal_user_id,
    u.system_type,
    u.external_user_id,
    u.external_username,
    u.external_email,
    CASE WHEN NOT u.is_active THEN 'INACTIVE' ELSE coalesce(u.match_status, 'ACTIVE') END AS sync_status,
    CASE
        WHEN u.inactive_reason = 'absent' OR c.users_listed_at IS NULL THEN u.changed_at
        ELSE greatest(u.changed_at, c.users_listed_at)
    END AS last_synced_at,
    CASE WHEN NOT u.is_active THEN u.inactive_reason ELSE u.match_reason END AS reason,
    u.match_rule AS rule,
    u.flags
FROM external_users AS u
INNER JOIN external_system_connections AS c USING (tenant_id, system_type);

DROP TABLE user_matches;

-- What is compared is made of the account where it is compared, now that few are: stored, it took a tenth of each row.
ALTER TABLE external_users DROP COLUMN employee_key, DROP COLUMN email_key, DROP COLUMN email_key_2;

GRANT SELECT (match_rule, match_user_id, match_status, match_reason) ON external_users
TO integration_pipeline_operator;
