-- How many rows a listing would hold if it were read whole: those that are not gone (hash 0).
SELECT count(*)
FROM {table}
WHERE
    tenant_id = %(tenant_id)s AND system_type = %(system_type)s
    AND listing = %(listing)s AND content_hash <> 0
