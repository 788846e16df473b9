-- The changes of one walk, in a table that ends with the transaction.
-- action: C = create, U = write the record's content, G = gone (only that is written: what it was stays readable).
CREATE TEMPORARY TABLE stage (
    key text NOT NULL, kind text NOT NULL, state text NOT NULL, reason text, {column_types},
    listing text NOT NULL, content_hash bigint NOT NULL, action text NOT NULL
) ON COMMIT DROP
