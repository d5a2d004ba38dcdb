from accounts.users import get_usr, get_usr_count

__all__ = ["get_usr", "get_usr_count"]
