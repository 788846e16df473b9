-- 0009 · what a sync asked, so that the next one can be estimated
--
-- By operation of the provider: how often it was asked, in how many parts (a batch has several), and how many seconds
-- the answers took. Together with the limits this tells how long the next sync will take. Null where the sync failed.

ALTER TABLE external_system_sync_history ADD COLUMN api_load jsonb;
