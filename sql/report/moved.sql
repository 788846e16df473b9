-- What all syncs of a day moved and cost, for every tenant, system and sync type. Days are Tokyo's, as the schedule's
-- are.
SELECT
    h.tenant_id,
    h.system_type,
    h.sync_type,
    count(*) AS runs,
    sum(h.records_created)::bigint AS created,
    sum(h.records_updated)::bigint AS updated,
    sum(h.records_deleted)::bigint AS deleted,
    sum(h.api_calls)::bigint AS api_calls,
    -- Null of what failed: what is left is still the least that all of them needed.
    coalesce(sum(h.api_calls_minimum), 0)::bigint AS api_calls_minimum,
    -- What a killed process left open is closed by the next one, hours later.
    coalesce(sum(extract(EPOCH FROM h.completed_at - h.started_at)) FILTER (
        WHERE h.error_type IS DISTINCT FROM 'INTERRUPTED'
    ), 0)::double precision AS seconds,
    count(h.api_calls_estimate) AS estimated,
    coalesce(sum(h.api_calls_estimate), 0)::bigint AS api_calls_estimate,
    coalesce(sum(h.seconds_estimate), 0)::double precision AS seconds_estimate
FROM external_system_sync_history AS h
WHERE
    h.started_at >= %(day)s::date::timestamp AT TIME ZONE 'Asia/Tokyo'
    AND h.started_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
GROUP BY h.tenant_id, h.system_type, h.sync_type
