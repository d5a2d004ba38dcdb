from accounts.users import get_usr as name_of
from accounts.users import get_usr_count


def report():
    return "\n".join("%d %s" % (n, name_of(n)) for n in range(1, get_usr_count() + 1))
