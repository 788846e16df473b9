from integration_pipeline.defs.partitions import chunks, difference, is_usable


def test_the_difference_is_what_to_add_and_what_to_remove() -> None:
    assert difference(["a", "b", "c"], ["d", "b"]) == (["d"], ["a", "c"])


def test_an_id_that_would_read_as_a_range_is_no_partition() -> None:
    assert difference([], ["a...b", "a\nb", "a..b"]) == (["a..b"], [])
    assert not is_usable("a...b")


def test_chunks_keep_the_order() -> None:
    assert list(chunks("abcde", 2)) == ["ab", "cd", "e"]
    assert not list(chunks([], 2))
