from accounts import users


def greet(number):
    name = users.get_usr(number)
    if name is None:
        raise LookupError("get_usr knows no user %d" % number)
    return "Hello, %s!" % name
