-- What the guard keeps back of one walk, in a table that ends with the transaction.
CREATE TEMPORARY TABLE held (
    kind text NOT NULL, key text NOT NULL, listing text NOT NULL, reason text,
    content_hash bigint NOT NULL, content jsonb
) ON COMMIT DROP
