"""OpenAPI: structs become components, and what holds for every operation is said here once."""

from typing import Any, TypedDict, get_args, get_type_hints

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from chatstore.problems import TITLES

Json = dict[str, Any]

DESCRIPTION = """The self-hosted store for people's conversations with language models.

Every error is an `application/problem+json` (RFC 9457) with a stable `code` and the request's id. Every answer has an
`X-Request-ID`. `docs/api.md` explains the rules that hold throughout, with examples: paging, retries, lost updates."""
TAGS = {
    "accounts": "Who you are: registration, tokens, profile.",
    "conversations": "Conversations: lists, changes, the trash, copies.",
    "imports": "A history from elsewhere, and what became of each item of it.",
    "exports": "Files of many conversations.",
    "messages": "The messages of a conversation, a tree of which one branch is active.",
    "attachments": "Files that imports brought with messages.",
    "documents": "What imports brought beside conversations: memories, projects, prompts.",
}
HEADERS = {
    "X-Request-ID": "The request's id, as sent, or made here; it is in every line of the log.",
    "ETag": "The version of what was answered, for If-None-Match and If-Match. Not with a batch or a replayed answer.",
    "Location": "Where the new one is. Not with a batch or a replayed answer.",
    "Idempotency-Replayed": "`true`: the answer that the first request with this Idempotency-Key was given.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "How to authenticate (RFC 6750).",
}
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="An ETag: 412 when it has changed since."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag: 304 when it has not changed since."
)
DONE = {
    "200": "Done",
    "201": "Made",
    "202": "Queued: `Location` says how far it is",
    "204": "Done; nothing to say",
    "206": "A part of it",
}
VALIDATORS = {"If-Match", "If-None-Match", "Idempotency-Key"}  # an operation with one of these answers with an ETag
DECIMAL = [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\d{1,11}(\.\d{1,8})?$"}]


class ProblemError(TypedDict):
    pointer: str
    code: str
    detail: str


class ProblemOut(msgspec.Struct, kw_only=True, rename={"kind": "type"}):
    """RFC 9457, with a stable `code` and the request's id; `errors` says where a body or query is not valid."""

    kind: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[ProblemError] | msgspec.UnsetType = msgspec.UNSET


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Responses for `extend_schema`: the refusals of an operation that do not follow from what it takes."""
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

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> Json:
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
        shape: Json = _as_openapi(components[self._struct.__name__])
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
    """JSON Schema 2020-12 as OpenAPI 3.0.3 has it: no `{"type": "null"}` but `nullable`, no empty `required`."""
    if isinstance(schema, list):
        return [_as_openapi(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _as_openapi(value) for key, value in schema.items()}
    if schema.get("format") == "decimal":
        schema = {key: value for key, value in schema.items() if key not in ("type", "format")} | {"anyOf": DECIMAL}
    if "anyOf" in schema and {"type": "null"} in schema["anyOf"]:
        rest = [option for option in schema.pop("anyOf") if option != {"type": "null"}]
        only = rest[0] if len(rest) == 1 else {"anyOf": [option | {"nullable": True} for option in rest]}
        schema |= {"allOf": [only]} if "$ref" in only else only
        schema["nullable"] = True  # on its own it would mean nothing beside anyOf (OpenAPI 3.0.3, Schema Object)
    if isinstance(schema.get("enum"), list):
        schema["type"] = "string"
        if None in schema["enum"]:
            schema["nullable"] = True
    if schema.get("type") == "array" and "items" not in schema:
        schema["items"] = {}
    if schema.get("required") == []:
        del schema["required"]
    if isinstance(schema.get("title"), str):
        del schema["title"]
    if isinstance(schema.get("examples"), list):
        schema["example"] = schema.pop("examples")[0]
    return schema


class ApiSchema(AutoSchema):
    """settings.REST_FRAMEWORK's DEFAULT_SCHEMA_CLASS. Operations name themselves (`operation_id`)."""

    def _is_list_view(self, serializer: Any = None) -> bool:
        """No: a list has an envelope of its own, which the view names."""
        return False

    def get_auth(self) -> Any:
        # Hot views check the same token in another way (ApiViewSet.get_authenticators): to a client it is one scheme.
        kinds = self.view.authentication_classes
        self.view.get_authenticators = lambda: [kind() for kind in kinds]  # type: ignore[method-assign]
        return super().get_auth()


def finish(result: Json, generator: Any, request: Any, public: bool) -> Json:
    """Postprocessing: the refusals that follow from what an operation takes, and the headers of its answers."""
    used: set[int] = set()
    for path in result["paths"].values():
        for operation in path.values():
            _name_parts(operation, result["components"]["schemas"])
            _add_refusals(operation)
            _add_headers(operation)
            used |= _share_problems(operation)
    components = result["components"]
    components["responses"] = {f"Problem{status}": _problem(status) for status in sorted(used)}
    components["headers"] = {
        name: {"description": words, "schema": {"type": "string"}} for name, words in HEADERS.items()
    }
    result["info"]["description"] = DESCRIPTION
    result["tags"] = [{"name": name, "description": words} for name, words in TAGS.items()]
    return result


def _name_parts(operation: Json, schemas: Json) -> None:
    """Which id is meant, and whether there must be a body."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            noun = "conversation" if parameter["name"] == "conversation_id" else operation["tags"][0].removesuffix("s")
            parameter["description"] = f"The {noun}'s id."
    for media in operation.get("requestBody", {}).get("content", {}).values():
        shape = schemas[media["schema"]["$ref"].rpartition("/")[2]]
        operation["requestBody"]["required"] = "required" in shape or "oneOf" in shape


def _add_refusals(operation: Json) -> None:
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    names = _parameters(operation)
    statuses = {406, 503}
    if operation.get("security") and {} not in operation["security"]:
        statuses |= {401, 429}
    if "path" in places:
        statuses |= {403, 404}
    if "query" in places:
        statuses |= {422}
    if "requestBody" in operation:
        statuses |= {400, 411, 413, 415, 422}
    if "cursor" in names:
        statuses |= {400}
    if "If-Match" in names:
        statuses |= {412}
    if "Idempotency-Key" in names:
        statuses |= {409, 422}
    for status in statuses:
        operation["responses"].setdefault(str(status), _problem(status))
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _add_headers(operation: Json) -> None:
    names = _parameters(operation)
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            continue
        told = ["X-Request-ID"]
        if names & VALIDATORS and status != "204":
            told.append("ETag")
        if "Idempotency-Key" in names:
            told += ["Idempotency-Replayed"] + ["Location"] * bool({"201", "202"} & operation["responses"].keys())
        response["headers"] = _headers(*told)
        if status == "304":
            response["description"] = "It has not changed"
        elif not response.get("description"):
            response["description"] = DONE[status]


def _share_problems(operation: Json) -> set[int]:
    """Refer to the common problems instead of repeating them. Returns the statuses."""
    found = {int(status) for status in operation["responses"] if int(status) >= 400}
    for status in found:
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return found


def _parameters(operation: Json) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ())}


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int) -> Json:
    code, title = TITLES[status]
    more = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    example = {
        "type": f"urn:chatstore:problem:{code}",
        "title": title,
        "status": status,
        "detail": title,
        "instance": "/api/v1/conversations",
        "code": code,
        "request_id": "019ab1c2-3f0e-7c11-9a53-1d5a6f0c2b77",
    }
    media = {"schema": {"$ref": "#/components/schemas/ProblemOut"}, "example": example}
    return {
        "description": title,
        "headers": _headers("X-Request-ID", *more),
        "content": {"application/problem+json": media},
    }
