"""Checks that know what this host promises beyond OpenAPI."""

import re
import uuid

import schemathesis
from schemathesis import CheckContext, Case, Response

# Codes that say "this does not have the described shape".
OF_SHAPE = {"request.invalid", "request.json", "request.query", "request.media_type"}


# The key that the script sends with: taken away, nothing after it would be looked at.
OWN_KEY = "key_check"
NO_KEY = "key_" + "0" * 26


@schemathesis.hook
def before_call(ctx, case, kwargs) -> None:
    if (case.path_parameters or {}).get("key") == OWN_KEY:
        case.path_parameters["key"] = NO_KEY
    # A key that was used before is answered as before, also when what was made is gone by now.
    headers = case.headers or {}
    if re.fullmatch("[!-~]{1,200}", headers.get("Idempotency-Key", "")):
        headers["Idempotency-Key"] += uuid.uuid4().hex


def problem(response):
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return None
    return response.json()


@schemathesis.check
def a_described_shape_is_accepted(ctx: CheckContext, response: Response, case: Case) -> None:
    """What the description calls well formed is never refused for its form."""
    generated = case.meta.generation.mode if case.meta else None
    refused = problem(response)
    if generated is not None and generated.is_positive and refused:
        assert refused["code"] not in OF_SHAPE, f"{refused['code']}: {refused['detail']}"


@schemathesis.check
def every_refusal_is_a_problem(ctx: CheckContext, response: Response, case: Case) -> None:
    """Every 4xx and 5xx is problem+json whose members agree with the answer."""
    if response.status_code < 400 or case.method.upper() == "HEAD":
        return
    refused = problem(response)
    assert refused is not None, f"{response.status_code} is not a problem"
    assert refused["status"] == response.status_code
    assert refused["request_id"] == response.headers["x-request-id"][0]
    assert refused["type"].endswith("#" + refused["code"])


@schemathesis.check
def no_answer_names_its_server(ctx: CheckContext, response: Response, case: Case) -> None:
    """No banner, no file name, no panic."""
    for name in ("server", "x-powered-by", "via"):
        assert name not in response.headers, name
    if response.status_code >= 400:
        text = response.content or b""
        for trace in (b".rs:", b"panicked", b"RUST_BACKTRACE"):
            assert trace not in text, trace
