import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.redaction import forms_of, is_guarded, without_assignments, without_shapes

# Put together here, so that no scanner takes this file for a leak.
TAIL = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
SHAPED = [
    f"sk-{TAIL}",
    f"sk-proj-{TAIL}_{TAIL}",
    f"sk-ant-api03-{TAIL}",
    f"sk-or-v1-{TAIL}",
    f"AIza{TAIL}abc",
    f"ghp_{TAIL}abcd",
    f"gho_{TAIL}abcd",
    f"github_pat_{TAIL}",
    f"glpat-{TAIL}",
    f"xoxb-1234567890-{TAIL}",
    "AKIA" + "ABCDEFGH12345678",
    f"hf_{TAIL}",
    f"gsk_{TAIL}",
    f"sk_live_{TAIL}",
    f"eyJ{TAIL}.eyJ{TAIL}.{TAIL}",
    f"Bearer {TAIL}",
    f"Authorization: Basic {TAIL}==",
    f"https://user:{TAIL}@example.invalid/repo.git",
    f"-----BEGIN RSA PRIVATE KEY-----\n{TAIL}\n{TAIL}=\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{TAIL}",
]


@pytest.mark.parametrize("text", SHAPED)
def test_a_known_shape_is_taken_out_wherever_it_stands(text: str) -> None:
    for around in ("{}", "key={}, and more", '"{}"', "line\n{}\nline", "\t{}"):
        assert TAIL not in without_shapes(around.format(text))
        assert "ABCDEFGH12345678" not in without_shapes(around.format(text))


@pytest.mark.parametrize("text", SHAPED)
def test_json_stays_json_and_loses_only_the_key(text: str) -> None:
    for value in ({"a": f"x\n{text}", "b": "after"}, {"a": json.dumps({"inner": f'"{text}"'}), "b": "after"}):
        redacted = json.loads(without_shapes(json.dumps(value)))

        assert redacted["b"] == "after"
        assert TAIL not in redacted["a"]


@pytest.mark.parametrize(
    "text",
    [
        "the task-oriented-scheduler-of-the-house",
        "sk-folding-cube-animation-of-a-page",
        "Bearer authentication is described below",
        "https://example.invalid:8080/path@v1",
        "git@github.com:owner/repository.git",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "def test_hf_something_that_is_long_enough_here() -> None:",
        "AKIAS and other words",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert without_shapes(text) is text


def test_logs_lose_what_is_assigned_to_the_name_of_a_key_and_looks_random() -> None:
    said = without_assignments(f"SHOP_API_KEY={TAIL} password: '{TAIL}' path={TAIL} key=config/settings/base.yaml")

    assert said == f"SHOP_API_KEY=[key] password: '[key]' path={TAIL} key=config/settings/base.yaml"


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.binary(),
    st.binary(),
)
def test_every_form_of_a_key_is_known(key: str, before: bytes, after: bytes) -> None:
    forms = forms_of(key)
    around = base64.b64encode(before + key.encode() + after).decode()

    for written in (
        key,
        json.dumps(key),
        quote(key, safe=""),
        key.encode().hex(),
        base64.b64encode(key.encode()).decode(),
    ):
        assert any(form in written for form in forms)
    inside = [form for form in forms if form in around]
    assert inside or len(key) < 11  # a short key has no part in base64 that is its own


@pytest.mark.parametrize("placeholder", ["", "none", "ollama", "lm-studio", "sk-no-key-required", "EMPTY", "x1"])
def test_a_placeholder_is_no_secret(placeholder: str) -> None:
    assert not is_guarded(placeholder)


@pytest.mark.parametrize("key", ["sk-12345", "abcdEFGH", "a" * 20, f"sk-{TAIL}"])
def test_a_key_is(key: str) -> None:
    assert is_guarded(key)
