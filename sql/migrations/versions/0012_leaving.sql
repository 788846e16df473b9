-- 0012 · people who go in unusual ways
--
-- Any writer of internal users or links moves its tenants' matching_version, but two kept what was matched before: who
-- moves people to another tenant (companies merge), for only the new one was told, and who empties the table at once.

CREATE FUNCTION move_left_matching_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        UPDATE tenants SET matching_version = matching_version + 1;
    ELSE
        UPDATE tenants SET matching_version = matching_version + 1 WHERE tenant_id = OLD.tenant_id;
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    target text;
BEGIN
    FOREACH target IN ARRAY ARRAY['internal_users', 'user_links'] LOOP
        -- For each row, but asked of no statement that leaves tenant_id alone.
        EXECUTE format('CREATE TRIGGER matching_after_leaving AFTER UPDATE OF tenant_id ON %I FOR EACH ROW '
                       'WHEN (OLD.tenant_id <> NEW.tenant_id) EXECUTE FUNCTION move_left_matching_version()', target);
        EXECUTE format('CREATE TRIGGER matching_after_truncate AFTER TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION move_left_matching_version()', target);
    END LOOP;
END $$;
