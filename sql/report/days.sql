-- The days up to a given one, for every system that was synced on them: the last results of the day's syncs, and what
-- all of them came to. A day on which nothing was synced is one row without a system. Days are Tokyo's, as the
-- schedule's are.
WITH ran AS (
    SELECT
        h.*,
        (h.started_at AT TIME ZONE 'Asia/Tokyo')::date AS day,
        row_number() OVER (
            PARTITION BY
                h.tenant_id, h.system_type, h.sync_type, (h.started_at AT TIME ZONE 'Asia/Tokyo')::date
            ORDER BY h.started_at DESC, h.sync_id DESC
        ) = 1 AS is_last
    FROM external_system_sync_history AS h
    WHERE
        h.started_at >= (%(day)s::date - %(days)s::integer + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
        AND h.started_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
)

SELECT
    d.day::date,
    ran.system_type,
    count(*) FILTER (WHERE ran.is_last AND ran.status = 'SUCCESS') AS success,
    count(*) FILTER (WHERE ran.is_last AND ran.status = 'PARTIAL') AS partial,
    count(*) FILTER (WHERE ran.is_last AND ran.status = 'FAILED') AS failed,
    coalesce(sum(ran.records_created), 0)::bigint AS created,
    coalesce(sum(ran.records_updated), 0)::bigint AS updated,
    coalesce(sum(ran.records_deleted), 0)::bigint AS deleted,
    coalesce(sum(ran.api_calls), 0)::bigint AS api_calls
FROM generate_series(%(day)s::date - %(days)s::integer + 1, %(day)s::date, interval '1 day') AS d (day)
LEFT JOIN ran ON d.day::date = ran.day
GROUP BY d.day, ran.system_type
ORDER BY d.day, ran.system_type
