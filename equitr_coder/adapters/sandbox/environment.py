"""The environment of a command, built up from names known to be harmless; nothing else of the caller's gets in."""

import hashlib
import re
from collections.abc import Mapping

_ALLOWED_NAMES = """
    PATH LANG LANGUAGE TZ USER LOGNAME SOURCE_DATE_EPOCH
    VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV PIPENV_ACTIVE POETRY_ACTIVE UV_PYTHON UV_PROJECT_ENVIRONMENT
    PYTHONPATH PYTHONUSERBASE PYTHONNOUSERSITE PYTHONHASHSEED PYTHONUTF8 PYTHONIOENCODING PYTHONUNBUFFERED
    PYTHONWARNINGS PYTHONDEVMODE PYTHONSAFEPATH PYTHONOPTIMIZE
    PYENV_ROOT PYENV_VERSION PYENV_VIRTUAL_ENV RYE_HOME
    NVM_DIR NVM_BIN FNM_DIR VOLTA_HOME PNPM_HOME BUN_INSTALL DENO_DIR NODE_PATH NODE_ENV COREPACK_HOME
    CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN RUSTFLAGS RUST_BACKTRACE
    GOPATH GOROOT GOMODCACHE GOFLAGS GOTOOLCHAIN GOEXPERIMENT GOOS GOARCH CGO_ENABLED
    JAVA_HOME JDK_HOME MAVEN_HOME M2_HOME GRADLE_HOME KOTLIN_HOME SDKMAN_DIR ANDROID_HOME ANDROID_SDK_ROOT
    GEM_HOME GEM_PATH RBENV_ROOT RBENV_VERSION RUBYLIB RUBYOPT BUNDLE_PATH BUNDLE_GEMFILE
    DOTNET_ROOT DOTNET_CLI_TELEMETRY_OPTOUT DOTNET_NOLOGO NUGET_PACKAGES
    ASDF_DIR ASDF_DATA_DIR MISE_DATA_DIR MIX_HOME GHCUP_INSTALL_BASE_PREFIX OPAM_SWITCH_PREFIX OPAMROOT
    CC CXX CPP AR LD CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH
    LD_LIBRARY_PATH DYLD_LIBRARY_PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH CMAKE_GENERATOR MAKEFLAGS MANPATH
    NIX_PATH NIX_PROFILES NIX_CC LOCALE_ARCHIVE SSL_CERT_FILE SSL_CERT_DIR NIX_SSL_CERT_FILE
"""
_ALLOWED = frozenset(_ALLOWED_NAMES.split())
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|COOKIE", re.IGNORECASE)

_FIXED = {
    "CI": "true",  # test runners and package tools then neither watch nor ask
    "TERM": "dumb",
    "NO_COLOR": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    # A byte-code file is trusted by the second and the size of its source: an agent edits faster than that.
    "PYTHONDONTWRITEBYTECODE": "1",
}
_STABLE = {"LANG": "C.UTF-8", "TZ": "UTC"}
_PRIVATE = ("HOME", "TMPDIR")


def command_environment(
    environ: Mapping[str, str], *, home: str, tmp: str, toolchains: Mapping[str, str], clean: bool
) -> dict[str, str]:
    """What a command gets. `toolchains` names the places of toolchains that a private home would hide.

    A clean command does not see the caller's language and time zone.
    """
    env = {name: value for name, value in environ.items() if is_harmless(name)}
    env = dict(toolchains) | env | _FIXED | {"HOME": home, "TMPDIR": tmp}
    env.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    if clean:
        env = {name: value for name, value in env.items() if name != "LANGUAGE" and not name.startswith("LC_")}
        env |= _STABLE
    return env


def is_harmless(name: str) -> bool:
    return (name in _ALLOWED or name.startswith("LC_")) and not _SECRET.search(name)


def environment_digest(environment: Mapping[str, str], *facts: str) -> str:
    """SHA-256 over names and values, the private folders left out, and further facts."""
    lines = [f"{name}={value}" for name, value in sorted(environment.items()) if name not in _PRIVATE]
    return hashlib.sha256("\0".join([*lines, *facts]).encode("utf-8", "surrogateescape")).hexdigest()
