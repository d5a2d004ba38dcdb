import errno

import pytest

from equitr_coder.domain.errors import disk_error


@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "read-only")])
def test_a_disk_that_takes_nothing_is_the_person_s_to_mend(code: int, word: str) -> None:
    found = disk_error(ExceptionGroup("workers", [KeyError("x"), OSError(code, "no", "/work/file")]))

    assert found is not None
    assert str(found) == f"the disk of /work/file is {word}"
    assert "everything before is kept" in found.hint


def test_any_other_error_is_a_bug() -> None:
    assert disk_error(OSError(errno.EACCES, "no")) is None
    assert disk_error(ExceptionGroup("workers", [KeyError("x")])) is None
