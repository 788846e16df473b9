-- 0010 · the owner, whoever it is
--
-- FORCE binds the owner of a table too, and the trigger that moves matching_version runs as the owner. The policy that
-- lets it do so named the role that had migrated first. A dump of it could not be restored where there is no such role,
-- and where there was one it kept out the new owner. Now it says what it means.

DROP POLICY by_the_owner ON tenants;
CREATE POLICY by_the_owner ON tenants
USING (current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'tenants'::regclass));
