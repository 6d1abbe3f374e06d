"""The error that each database constraint of identity stands for."""

from collections.abc import Callable, Mapping

from kit.errors import AlreadyExists, GiroError, Reason


def _email_taken() -> AlreadyExists:
    message = "this e-mail is a user's already"
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata={"resource": "user"})


def _tenant_there() -> AlreadyExists:
    # its claim has been forgotten by now, so the first answer cannot be given again
    message = "this request_id made a tenant long ago"
    metadata = {"resource": "tenant"}
    return AlreadyExists(Reason.ALREADY_EXISTS, message, metadata=metadata, field="request_id")


CONSTRAINTS: Mapping[str, Callable[[], GiroError]] = {
    "logins_pkey": _email_taken,
    "tenants_pkey": _tenant_there,
    "users_email_key": _email_taken,
}
