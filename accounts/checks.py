"""A service that could not check tokens, or would check them against nothing, does not start."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from accounts.keyring import parse_keys

ASYMMETRIC = {f"{family}{bits}" for family in ("RS", "PS", "ES") for bits in (256, 384, 512)} | {"EdDSA"}


@register(Tags.security)
def signing_keys_are_usable(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """CHATSTORE_JWT_KEYS, if it is set, is a list of kid:secret."""
    if not settings.JWT_KEYS:
        return []
    try:
        parse_keys(settings.JWT_KEYS)
    except ImproperlyConfigured as error:
        hint = "A good secret: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        return [Error(str(error), hint=hint, id="accounts.E001")]
    return []


@register(Tags.security)
def identity_provider_is_complete(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """An issuer needs keys, public-key signatures and an audience: else its tokens for other services open this one."""
    if not settings.OIDC_ISSUER:
        return []
    found: list[CheckMessage] = []
    if not settings.OIDC_AUDIENCE:
        hint = "Set CHATSTORE_OIDC_AUDIENCE to what the provider writes into `aud` for this service."
        found.append(Error("CHATSTORE_OIDC_ISSUER is set without an audience.", hint=hint, id="accounts.E002"))
    if not settings.OIDC_JWKS_URL.startswith(("https://", "http://")):
        hint = "Set CHATSTORE_OIDC_JWKS_URL to the `jwks_uri` of the provider's /.well-known/openid-configuration."
        found.append(Error("CHATSTORE_OIDC_ISSUER is set without a JWKS URL.", hint=hint, id="accounts.E003"))
    if not settings.OIDC_ALGORITHMS or not set(settings.OIDC_ALGORITHMS) <= ASYMMETRIC:
        hint = f"Some of {', '.join(sorted(ASYMMETRIC))}: with a shared secret, who checks tokens could also make them."
        found.append(Error("CHATSTORE_OIDC_ALGORITHMS names one that will not do.", hint=hint, id="accounts.E004"))
    return found
