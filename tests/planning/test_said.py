import pytest

from equitr_coder.planning.said import without_trace

DOCUMENTS = (
    "# Requirements\n- 1.1 Users log in with a JWT.\n- 1.2 orders are kept in postgresql\n",
    "# Design\nServices talk over rabbitmq. It runs from a Helm chart; backups go to S3.\n",
)


@pytest.mark.parametrize(
    "answer",
    [
        "RabbitMQ, please",
        "JWT",
        "PostgreSQL 16",
        "helm",
        "everything is backed up to S3",
        "users log in",
        "yes",
        "No.",
        "2",
        "the second one",
        "you decide",
        "whatever you think is best",
        "",
        "???",
    ],
)
def test_an_answer_that_stands_in_a_document_or_says_nothing_is_no_gap(answer: str) -> None:
    assert without_trace([answer], DOCUMENTS) == ()


@pytest.mark.parametrize(
    "answer", ["Kafka", "use MongoDB for users", "with OAuth2", "magic links by mail", "Terraform, please"]
)
def test_an_answer_of_which_nothing_stands_anywhere_is_one(answer: str) -> None:
    assert without_trace(["JWT", answer, answer], DOCUMENTS) == (answer,)


def test_without_documents_every_telling_answer_is_one() -> None:
    assert without_trace(["JWT", "yes"], []) == ("JWT",)
