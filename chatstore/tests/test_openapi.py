"""openapi.yaml says what the code says, completely."""

from typing import Any

import pytest
import yaml
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from jsonschema import Draft4Validator

from chatstore.development import BASE_DIR

COMMITTED = BASE_DIR / "openapi.yaml"
pytestmark = pytest.mark.interchange


@pytest.fixture(scope="module")
def generated() -> bytes:
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    return OpenApiYamlRenderer().render(document, renderer_context={})


@pytest.fixture(scope="module")
def schema(generated: bytes) -> dict[str, Any]:
    return yaml.safe_load(generated)


@pytest.fixture(scope="module")
def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_committed_schema_is_the_generated_one(generated):
    assert COMMITTED.exists(), "There is no openapi.yaml: `make schema` writes it"
    if COMMITTED.read_bytes() != generated:  # compared here: a diff of 2,800 lines says less than this
        pytest.fail("openapi.yaml is not what the code says: `make schema` refreshes it; commit the change with it")


def test_it_is_valid_and_nothing_had_to_be_guessed(generated, schema):
    validate_schema(schema)
    assert not GENERATOR_STATS._error_cache
    assert not GENERATOR_STATS._warn_cache


def test_every_operation_has_a_name_a_summary_a_description_and_one_tag(schema, operations):
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in schema["tags"]}
    for where, operation in operations.items():
        assert operation.get("summary"), where
        assert operation.get("description"), where
        assert len(operation["tags"]) == 1, where
        assert set(operation["tags"]) <= tags, where


def test_only_signing_up_in_and_on_needs_no_token(operations):
    open_to_all = {where for where, operation in operations.items() if "security" not in operation}
    assert open_to_all == {f"POST /api/v1/auth/{name}" for name in ("register", "token", "token/refresh")}


def test_every_refusal_is_a_problem_and_what_can_be_refused_is_listed(operations):
    for where, operation in operations.items():
        statuses = set(operation["responses"])
        assert {"406", "503"} <= statuses, where
        if "security" in operation:
            assert {"401", "429"} <= statuses, where
        if "{" in where:
            assert {"403", "404"} <= statuses, where
        if operation.get("requestBody"):
            assert {"400", "413", "415", "422"} <= statuses, where
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer == {"$ref": f"#/components/responses/Problem{status}"}, where


def test_conditional_requests_name_their_headers(operations):
    for where, operation in operations.items():
        taken = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert ("If-None-Match" in taken) == ("304" in operation["responses"]), where
        assert ("If-Match" in taken) == ("412" in operation["responses"]), where
        if taken & {"If-Match", "If-None-Match"} and "200" in operation["responses"]:
            assert "ETag" in operation["responses"]["200"]["headers"], where


def test_the_examples_are_what_the_schema_describes(schema, operations):
    found = 0
    for where, operation in operations.items():
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in [media for body in bodies for media in body.get("content", {}).values()]:
            for name, example in media.get("examples", {}).items():
                faults = list(_validator(media["schema"], schema).iter_errors(example["value"]))
                assert not faults, (where, name, faults[0].message)
                found += 1
    assert found > 5


def _validator(shape: dict[str, Any], schema: dict[str, Any]) -> Draft4Validator:
    """OpenAPI 3.0 is close to JSON Schema's draft 4, but for `nullable`."""
    return Draft4Validator({**_with_null(shape), "components": _with_null(schema["components"])})


def _with_null(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_null(value) for key, value in node.items()}
    if node.pop("nullable", False) is True:
        return {"anyOf": [node, {"type": "null"}]}
    return node
