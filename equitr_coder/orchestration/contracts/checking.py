"""One artifact against one tree: what it is decides who compares it."""

from typing import assert_never

from equitr_coder.orchestration.contracts.findings import Finding, unchecked
from equitr_coder.orchestration.contracts.openapi_contract import compare_openapi
from equitr_coder.orchestration.contracts.python_contract import compare_stub
from equitr_coder.orchestration.contracts.recognition import (
    Contract,
    JsonSchema,
    OpenApi,
    PromisedTests,
    PythonStub,
    recognise,
)
from equitr_coder.orchestration.contracts.schema_contract import compare_schema
from equitr_coder.orchestration.contracts.sources import Sources


def compare(content: str, sources: Sources) -> Finding:
    """As far as the files have been read: while `sources.wanted` grows, the finding is not the last word. Test modules
    are run, not compared; here they are `unchecked`.
    """
    try:
        return _compare(recognise(content), sources)
    except RecursionError:
        return unchecked("it nests too deeply to be compared")


def _compare(contract: Contract | None, sources: Sources) -> Finding:
    match contract:
        case None:
            return unchecked("words, which nobody but a reader can compare with the files")
        case PythonStub():
            return compare_stub(contract, sources)
        case JsonSchema():
            return compare_schema(contract, sources)
        case OpenApi():
            return compare_openapi(contract, sources)
        case PromisedTests():
            return unchecked("tests are run")
        case _ as unreachable:
            assert_never(unreachable)


def described(content: str) -> str:
    """What the host will do with it, in words for the producer."""
    contract = recognise(content)
    match contract:
        case None:
            return "It is read as words: nothing in it can be compared with your files."
        case PythonStub():
            files = ", ".join(file for file, _ in contract.sections if file)
            where = files or "the files you change"
            return f"Before the merge its signatures are compared with {where}."
        case JsonSchema():
            return "Before the merge it is compared with the same schema in your files."
        case OpenApi():
            return "Before the merge it is compared with the OpenAPI document in your files, or with your routes."
        case PromisedTests():
            return "Before the merge these tests are run against your files."
        case _ as unreachable:
            assert_never(unreachable)
