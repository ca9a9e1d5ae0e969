"""What /openapi.json says about a route: the request and answer models, an example, and every refusal with its status."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from judge.server.auth import OPEN_PATHS
from judge.server.refusal import ErrorOut

REFUSALS = {
    400: "Not JSON, or a header that cannot be read.",
    401: "No key, or an unknown one.",
    408: "The body did not come in time.",
    409: "It does not fit what came before (groups).",
    413: "Too many bytes or samples.",
    415: "Not said to be JSON.",
    422: "A field is wrong; `where` says which.",
    429: "No room; Retry-After says when to come back.",
    431: "Headers too large.",
    503: "Draining, stopped by the monitor, or the engine cannot work; Retry-After where it may pass.",
}
_MODELS: dict[str, type[BaseModel]] = {}


def refusals() -> dict[int | str, dict[str, Any]]:
    """Every refusal, as a route's `responses`."""
    return {code: {"model": ErrorOut, "description": text} for code, text in REFUSALS.items()}


def documented(
    takes: type[BaseModel] | None, gives: type[BaseModel], summary: str, *, example: Any = None, streams: bool = False
) -> dict[str, Any]:
    """Arguments of a route: bodies are read by hand, so their models are named here."""
    answers = refusals()
    answers[200] = {"model": gives, "description": "The result."}
    if streams:
        answers[200]["content"] = {"application/x-ndjson": {"schema": {"type": "string"}}}
    extra: dict[str, Any] = {}
    if takes is not None:
        _MODELS[takes.__name__] = takes
        body: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{takes.__name__}"}}
        if example is not None:
            body["example"] = example
        extra["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {"summary": summary, "responses": answers, "response_model": None, "openapi_extra": extra}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the models of the request bodies."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    template = "#/components/schemas/{model}"
    _, schemas = models_json_schema([(model, "validation") for model in _MODELS.values()], ref_template=template)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {}).update(schemas.get("$defs", {}))
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "basic": {"type": "http", "scheme": "basic"},
    }
    document["security"] = [{"bearer": []}, {"header": []}, {"basic": []}]
    for path in OPEN_PATHS:
        document["paths"][path]["get"]["security"] = []
    app.openapi_schema = document
    return document
