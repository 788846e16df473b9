-- 0008 · mappings have ids without anybody storing them
--
-- A mapping is a row of a view, and its id is a name for (tenant, system, account): the same wherever and whenever the
-- account is stored. A random one for each new account took more of PostgreSQL's time than the rest of its row.

-- An id made of a name (RFC 9562, version 8). SHA-256, for MD5 is not there where cryptography is certified.
CREATE FUNCTION id_of(VARIADIC name text []) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(
        set_byte(set_byte(digest.bytes, 6, get_byte(digest.bytes, 6) & 15 | 128),
                 8, get_byte(digest.bytes, 8) & 63 | 128),
        'hex')::uuid
    FROM (SELECT substring(sha256(convert_to(array_to_string(name, E'\x1f'), 'UTF8')) FOR 16) AS bytes) AS digest
$$;

CREATE OR REPLACE VIEW external_user_mappings WITH (security_invoker = true) AS
SELECT
    id_of(u.tenant_id, u.system_type, u.external_user_id) AS mapping_id,
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

ALTER TABLE external_users DROP COLUMN mapping_id;
