_USERS = {1: "Ada", 2: "Grace", 3: "Barbara"}


def get_usr(number):
    """The name of a user, or None. See also get_usr_count."""
    return _USERS.get(number)


def get_usr_count():
    return len(_USERS)
