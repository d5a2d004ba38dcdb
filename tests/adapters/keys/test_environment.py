import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys


@pytest.mark.parametrize(("held", "key"), [("sk-1", "sk-1"), (" sk-1\n", "sk-1"), ("", None), ("  ", None)])
def test_a_key_is_what_its_variable_holds_without_white_space(held: str, key: str | None) -> None:
    assert EnvironmentKeys({"KEY": held}).get("KEY") == key


def test_an_unset_variable_holds_no_key_and_a_later_one_is_seen() -> None:
    environ: dict[str, str] = {}
    keys = EnvironmentKeys(environ)
    assert keys.get("KEY") is None

    environ["KEY"] = "sk-1"

    assert keys.get("KEY") == "sk-1"
