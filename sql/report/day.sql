-- The newest day on which something was synced, not after a given day. Days are Tokyo's, as the schedule's are.
SELECT max((h.started_at AT TIME ZONE 'Asia/Tokyo')::date)
FROM external_system_sync_history AS h
WHERE h.started_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
