-- 0004 · what a sync costs its provider
--
-- How many calls a sync was expected to make, and for how long, before it began; and the fewest that its listings could
-- have been read with. api_calls is what it made. Null = not known: rows from before, and syncs that failed.

ALTER TABLE external_system_sync_history
ADD COLUMN api_calls_minimum integer,
ADD COLUMN api_calls_estimate integer,
ADD COLUMN seconds_estimate double precision;
