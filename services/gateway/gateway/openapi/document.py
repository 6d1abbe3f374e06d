"""The whole page: paths, errors, security, and the command that writes or checks it."""

import json
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.contract import PublicRpc, json_name, public_rpcs
from gateway.openapi.comments import Comments, read_comments
from gateway.openapi.rules import Schema, is_required, required_choice
from gateway.openapi.schemas import Schemas
from gateway.routes import OPENAPI_FILE
from giro.common.v1 import errors_pb2

_ABOUT: Final = """Giro books field visits that the visitor can really reach.

Conventions: names are lowerCamelCase; unknown fields and query parameters, null, and fields given twice are
refused. Instants are RFC 3339 with a zone and in whole seconds ("2026-12-01T10:00:00Z"), lengths of time are
seconds as text ("1800s"). 64-bit integers are text in answers. Enums are their names. Fields with their zero
value are printed in answers; absent objects are not. Pages: send `nextPageToken` as `pageToken`.

Every refusal has the body `{code, message, details}`: the gRPC code, a sentence for people, an `ErrorInfo`
with a stable `reason`, and a `BadRequest` that names the fields where input is at fault.

The same calls are served as gRPC and gRPC-Web on the same port; this page is made from their contracts."""

_ERRORS: Final = {
    "400": "The request is wrong, or the state of things forbids it (FAILED_PRECONDITION); the reason tells.",
    "401": "No token, or one that is forged, expired or meant for somebody else; or wrong credentials.",
    "403": "The caller's roles do not allow this.",
    "404": "Nothing of this id in the caller's tenant.",
    "409": "Somebody else was faster, is still at it, or it is there already; ask again or read anew.",
    "413": "The body is larger than 1 MiB.",
    "429": "Too many requests, or too much of a thing.",
    "503": "A service that is needed does not answer.",
    "504": "The answer did not come in time.",
}
_PLAIN_SEGMENT: Final = "^[A-Za-z0-9._~-]+$"


def document(comments: Comments | None = None) -> Schema:
    """The page as it is served. Raises CommentsUnavailableError and UnsupportedContractError."""
    rpcs = public_rpcs()
    schemas = Schemas(rpcs, read_comments() if comments is None else comments)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Giro", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/", "description": "This gateway"}],
        "security": [{"bearer": []}],
        "tags": _tags(rpcs, schemas.comments),
        "paths": _paths(rpcs, schemas),
        "components": {
            "securitySchemes": {"bearer": _bearer()},
            "schemas": {**schemas.components(), **_error_schemas(schemas.comments)},
            "responses": {f"Error{status}": _error(text) for status, text in _ERRORS.items()},
        },
    }


def text() -> str:
    """The page as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Writes the committed page."""
    OPENAPI_FILE.write_text(text())


def is_current() -> bool:
    """Whether the committed page is what the contracts give."""
    return OPENAPI_FILE.exists() and OPENAPI_FILE.read_text() == text()


def _tags(rpcs: tuple[PublicRpc, ...], comments: Comments) -> list[Schema]:
    """One tag a backend, told by the first of its services."""
    services: dict[str, str] = {}
    for rpc in rpcs:
        services.setdefault(rpc.backend, rpc.service)
    return [{"name": name, "description": comments.get(service, "")} for name, service in services.items()]


def _paths(rpcs: tuple[PublicRpc, ...], schemas: Schemas) -> dict[str, Schema]:
    paths: dict[str, Schema] = {}
    for rpc in rpcs:
        paths.setdefault(rpc.template, {})[rpc.verb.lower()] = _operation(rpc, schemas)
    return paths


def _operation(rpc: PublicRpc, schemas: Schemas) -> Schema:
    comment = schemas.comments.get(f"{rpc.service}.{rpc.name}", "")
    operation: Schema = {
        "operationId": rpc.name,
        "tags": [rpc.backend],
        "summary": comment.partition(". ")[0].rstrip("."),
        "description": _description(rpc, comment),
        "parameters": _parameters(rpc, schemas),
    }
    if rpc.has_body:
        operation["requestBody"] = {
            "required": _needs_body(rpc),
            "content": _json(_reference(rpc.request.name)),
        }
    if rpc.is_open:
        operation["security"] = []
    operation["responses"] = _responses(rpc)
    return operation


def _description(rpc: PublicRpc, comment: str) -> str:
    who = "Needs no token." if rpc.is_open else f"Roles: {', '.join(rpc.roles)}."
    return f"{comment}\n\n{who} gRPC: `{rpc.grpc_path[1:]}`."


def _needs_body(rpc: PublicRpc) -> bool:
    return any(map(is_required, rpc.free_fields)) or any(map(required_choice, rpc.request.oneofs))


def _parameters(rpc: PublicRpc, schemas: Schemas) -> list[Schema]:
    in_path = [_path_parameter(rpc.request.fields_by_name[name], schemas) for name in rpc.path_fields]
    in_query = [] if rpc.has_body else [_query_parameter(field, schemas) for field in rpc.free_fields]
    return in_path + in_query


def _path_parameter(field: FieldDescriptor, schemas: Schemas) -> Schema:
    schema = {**schemas.field(field), "pattern": _PLAIN_SEGMENT}
    description = schema.pop("description")
    return {"name": field.name, "in": "path", "required": True, "description": description, "schema": schema}


def _query_parameter(field: FieldDescriptor, schemas: Schemas) -> Schema:
    schema = schemas.field(field)
    description = schema.pop("description")
    required = is_required(field)
    return {
        "name": json_name(field),
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
    }


def _responses(rpc: PublicRpc) -> Schema:
    done = {"description": "Done.", "content": _json(_reference(rpc.response.name))}
    errors = {status: {"$ref": f"#/components/responses/Error{status}"} for status in _ERRORS}
    return {"200": done, **errors}


def _error(description: str) -> Schema:
    return {"description": description, "content": _json(_reference("Error"))}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _bearer() -> Schema:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `accessToken` that POST /v1/sessions gives.",
    }


def _error_schemas(comments: Comments) -> dict[str, Schema]:
    return {
        "Error": _object(
            "Why a call was refused.",
            code={"type": "integer", "description": "The gRPC status code."},
            message={"type": "string", "description": "A sentence for people; it may change."},
            details={
                "type": "array",
                "items": {"anyOf": [_reference("ErrorInfo"), _reference("BadRequest")]},
            },
        ),
        "ErrorInfo": _object(
            "The reason, for programs.",
            **_typed("google.rpc.ErrorInfo"),
            reason=_reference("ErrorReason"),
            domain={"type": "string", "const": "giro"},
            metadata={"type": "object", "additionalProperties": {"type": "string"}},
        ),
        "BadRequest": _object(
            "The fields at fault.",
            **_typed("google.rpc.BadRequest"),
            fieldViolations={"type": "array", "items": _violation()},
        ),
        "ErrorReason": _reasons(comments),
    }


def _violation() -> Schema:
    words = {"type": "string"}
    return _object("One field at fault.", field=words, description=words)


def _reasons(comments: Comments) -> Schema:
    enum = errors_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"]
    named = {value.name.removeprefix("ERROR_REASON_"): value.name for value in enum.values if value.number}
    lines = [f"- `{short}`: {comments.get(f'giro.common.v1.{full}', '')}" for short, full in named.items()]
    return {"type": "string", "enum": list(named), "description": "\n".join(lines)}


def _typed(name: str) -> dict[str, Schema]:
    return {"@type": {"type": "string", "const": f"type.googleapis.com/{name}"}}


def _object(about: str, /, **properties: Any) -> Schema:
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": list(properties),
    }
