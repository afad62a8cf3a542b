"""OpenAPI: structs become components, and every operation says which problems it may answer with."""

import re
from typing import Any, get_args, get_type_hints

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiResponse

from chatstore.problems import TITLES


class ProblemOut(msgspec.Struct, kw_only=True, rename={"kind": "type"}):
    """RFC 9457, with a stable `code` and the request's id."""

    kind: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[dict[str, str]] | msgspec.UnsetType = msgspec.UNSET


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Responses for `extend_schema`: the refusals that an operation has beyond those that all have."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemOut, description=TITLES[status][1])
        for status in statuses
    }


class StructExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A msgspec struct wherever drf-spectacular takes a serializer."""

    target_class = msgspec.Struct
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        return str(self._struct.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        _, components = msgspec.json.schema_components([self._struct], ref_template="#/components/schemas/{name}")
        structs = _structs_of(self._struct)
        for name, schema in components.items():
            if name != self._struct.__name__:
                component = ResolvedComponent(  # type: ignore[no-untyped-call]
                    name=name,
                    type=ResolvedComponent.SCHEMA,
                    schema=_as_openapi(schema),
                    object=structs.get(name, name),  # the same object as when an operation names the struct itself
                )
                auto_schema.registry.register_on_missing(component)
        shape: dict[str, Any] = _as_openapi(components[self._struct.__name__])
        return shape

    @property
    def _struct(self) -> Any:
        return self.target if isinstance(self.target, type) else type(self.target)


def _structs_of(struct: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """A struct and those that its fields hold, however deep, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    types: list[Any] = [struct]
    while types:
        kind = types.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__name__ not in found:
            found[kind.__name__] = kind
            types += get_type_hints(kind).values()
        types += get_args(kind)
    return found


def _as_openapi(schema: Any) -> Any:
    """OpenAPI 3.0 has no `{"type": "null"}`: `nullable` says it (OpenAPI 3.0.3, Schema Object)."""
    if isinstance(schema, list):
        return [_as_openapi(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _as_openapi(value) for key, value in schema.items()}
    if "anyOf" in schema and {"type": "null"} in schema["anyOf"]:
        rest = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
        only = rest[0] if len(rest) == 1 else {"anyOf": rest}
        schema |= {"allOf": [only]} if "$ref" in only else only
        schema["nullable"] = True
    if schema.get("enum") and None in schema["enum"]:
        schema["nullable"] = True
    if schema.get("type") == "array" and "items" not in schema:
        schema["items"] = {}
    schema.pop("title", None) if isinstance(schema.get("title"), str) else None
    return schema


class ApiSchema(AutoSchema):
    """What holds for every operation is said here once."""

    def get_operation_id(self) -> str:
        return re.sub(r"_v1_", "_", super().get_operation_id())


def finish(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing: the common refusals of every operation that needs a token."""
    for path in result["paths"].values():
        for operation in path.values():
            if operation.get("security") and {} not in operation["security"]:
                operation["responses"].setdefault("401", _problem(401))
                operation["responses"].setdefault("429", _problem(429))
            operation["responses"].setdefault("503", _problem(503))
    return result


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    return {"description": TITLES[status][1], "content": content}
