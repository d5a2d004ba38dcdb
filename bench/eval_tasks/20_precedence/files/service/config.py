"""The configuration of the service, from four places."""

DEFAULTS = {"port": 8080, "debug": True, "prefix": "/api", "retries": 3}


def load(file=None, environ=None, flags=None):
    """One value per key of DEFAULTS. Flags win over the environment, that over the file, that over the defaults.

    `environ` holds texts under names such as SERVICE_PORT; a value there becomes what the default is (a number, a
    text, or true for 1, true, yes, on and false for 0, false, no, off). A flag of None was not given.
    """
    file, environ, flags = file or {}, environ or {}, flags or {}
    config = {}
    for key, default in DEFAULTS.items():
        config[key] = _convert(environ.get("SERVICE_" + key.upper()), default) or flags.get(key) or file.get(key) or default
    return config


def _convert(text, default):
    if text is None:
        return None
    if isinstance(default, bool):
        return bool(text)
    return type(default)(text)
