from collections.abc import Callable

import pytest
from keyring.backends import SecretService, chainer, fail, kwallet, null
from keyring.errors import KeyringLocked

from equitr_coder.adapters.keys.real_keyring import Keyring, is_real
from equitr_coder.domain.errors import UserError


class PlaintextKeyring(SecretService.Keyring):
    """Like the one of keyrings.alt: it offers itself with the name of a real one's class, and stores in clear."""

    priority = 100


PlaintextKeyring.__qualname__ = PlaintextKeyring.__name__ = "Keyring"


@pytest.mark.parametrize("backend", [SecretService.Keyring, kwallet.DBusKeyring, kwallet.DBusKeyringKWallet4])
def test_the_system_s_own_keyrings_are_real(backend: type) -> None:
    assert is_real(backend)


@pytest.mark.parametrize("backend", [PlaintextKeyring, chainer.ChainerBackend, fail.Keyring, null.Keyring])
def test_whatever_else_offers_itself_is_not(backend: type) -> None:
    assert not is_real(backend)


class Locked:
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("dismissed")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("dismissed")

    def delete_password(self, service: str, username: str) -> None:
        raise KeyringLocked("dismissed")


def test_a_keyring_that_stays_locked_is_an_error_of_two_lines() -> None:
    keyring = Keyring("Secret Service", Locked())

    asked: tuple[Callable[[], object], ...] = (
        lambda: keyring.get("s", "A_KEY"),
        lambda: keyring.set("s", "A_KEY", "sk-1"),
        lambda: keyring.delete("s", "A_KEY"),
    )
    for ask in asked:
        with pytest.raises(UserError, match=r"the keyring \(Secret Service\) does not answer: dismissed") as caught:
            ask()
        assert "unlock it" in caught.value.hint
        assert "sk-1" not in str(caught.value)
