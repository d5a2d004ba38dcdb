from tests.e2e.conftest import stage, tools
from tests.session.chats import user

__all__ = ["stage", "tools", "user"]
