"""Loading litellm so that it keeps to itself: no network, no `.env` files, nothing on the terminal, no retries.

The settings are read by litellm when it is imported, so nothing else may import it first.
"""

import logging
import os
import warnings
from types import ModuleType
from typing import Any

SETTINGS = {
    # Else the import fetches a price map from the network, in a thread that can hold up the exit.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    # Else the import reads a `.env` above the installation into our environment: keys and proxies nobody chose.
    "LITELLM_MODE": "PRODUCTION",
}
DEFAULTS = {
    # A long rule of dashes comes in equal chunks and is no fault; the output is bounded by max_tokens.
    "REPEATED_STREAMING_CHUNK_LIMIT": "100000",
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


def import_litellm() -> Any:
    """Takes seconds the first time: call it in a thread."""
    os.environ.update(SETTINGS)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    import litellm

    return quieten(litellm)


def quieten(litellm: ModuleType) -> Any:
    settings: dict[str, Any] = {
        "suppress_debug_info": True,
        "telemetry": False,
        "num_retries": 0,
        # httpx, as everywhere else here: honours proxies and leaves no session open.
        "disable_aiohttp_transport": True,
    }
    for name, value in settings.items():
        setattr(litellm, name, value)
    # Its types are warned of by pydantic when they are first used, in the middle of an answer.
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    if not os.environ.get("LITELLM_LOG"):
        for logger in _LOGGERS:
            logging.getLogger(logger).setLevel(logging.CRITICAL)
    return litellm


def make_known(litellm: Any, model: str) -> None:
    """Enter a local model into litellm's table.

    Of one that is not there litellm asks the server at the usual address by itself, several times for each call, also
    when the model is elsewhere, and holds up the event loop meanwhile.
    """
    if model.startswith("ollama_chat/") and model not in litellm.model_cost:
        litellm.model_cost[model] = {
            "litellm_provider": "ollama_chat",
            "mode": "chat",
            "input_cost_per_token": 0.0,
            "output_cost_per_token": 0.0,
            "supports_function_calling": True,
        }
