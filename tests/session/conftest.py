from tests.e2e.conftest import stage
from tests.session.chats import user

__all__ = ["stage", "user"]
