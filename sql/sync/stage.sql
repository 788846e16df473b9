-- The changes of one walk, in a table that ends with the transaction; its columns are a row of store/spool.py.
-- action: C = create, U = write the record's content, G = gone (only that is written: what it was stays readable).
CREATE TEMPORARY TABLE stage (
    listing text NOT NULL, key text NOT NULL, kind text NOT NULL, state text NOT NULL, reason text, {column_types},
    content_hash bigint NOT NULL, action text NOT NULL
) ON COMMIT DROP
