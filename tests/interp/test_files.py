"""A file that is replaced is there whole or as it was."""

import pytest

from interp.files import replacing, write_atomically


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = write_atomically(tmp_path / "deep" / "list.txt", "öld")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text(encoding="utf-8") == "öld"
    assert list(path.parent.iterdir()) == [path]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and list(path.parent.iterdir()) == [path]
