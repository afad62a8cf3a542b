"""Tokens that somebody made up or tampered with (hostile.md 28)."""

import base64
import hmac
import json
import time
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.core.exceptions import ImproperlyConfigured

from accounts.keyring import keyring, parse_keys
from accounts.tests.conftest import bearer, post, sign_in
from accounts.tests.factories import UserFactory
from accounts.tokens import AccessToken, RefreshToken, read_token

pytestmark = pytest.mark.django_db
ME = "/api/v1/auth/me"
CONVERSATIONS = "/api/v1/conversations"  # where the session is looked up by the statement itself


def verdict(token):
    """The refusal, which is the same wherever the token is shown."""
    answers = [bearer(token).get(path) for path in (ME, CONVERSATIONS)]
    answers.append(bearer(token).post(CONVERSATIONS, {}, format="json"))
    for answer in answers:
        assert 'error="invalid_token"' in answer["WWW-Authenticate"]
        assert answer["Content-Type"] == "application/problem+json"
    [told] = {(answer.status_code, answer.json()["code"]) for answer in answers}
    return told


def segment(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def signed(claims, key=None, algorithm="HS256", **headers):
    """By hand: PyJWT would refuse what an attacker does."""
    key = keyring().signing_key if key is None else key
    body = f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': keyring().signing_kid, **headers})}.{segment(claims)}"
    if isinstance(key, bytes):
        signature = hmac.digest(key, body.encode(), f"sha{algorithm[2:]}")
    else:
        signature = key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_the_claims_are_those_that_were_agreed(ada):
    access, refresh = claims_of(ada.access), claims_of(ada.refresh)
    names = {"token_type", "exp", "iat", "jti", "sub", "sid", "iss"}
    assert set(access) == set(refresh) == names
    assert (access["sub"], access["sid"]) == (refresh["sub"], refresh["sid"])
    assert access["sub"] == str(ada.user.id)
    assert access["exp"] - access["iat"] == 900
    assert refresh["exp"] - refresh["iat"] == 30 * 86_400
    header = jwt.get_unverified_header(ada.access)
    assert header == {"alg": "HS256", "typ": "JWT", "kid": keyring().signing_kid}


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("with_kid", [True, False])
def test_no_algorithm_is_no_signature(ada, name, with_kid):
    header = {"alg": name, "typ": "JWT"} | ({"kid": keyring().signing_kid} if with_kid else {})
    _, payload, signature = ada.access.split(".")
    assert verdict(f"{segment(header)}.{payload}.") == (401, "token_invalid")
    assert verdict(f"{segment(header)}.{payload}.{signature}") == (401, "token_invalid")


def test_another_algorithm_is_refused_even_with_our_key(ada):
    for algorithm in ("HS384", "HS512"):
        assert verdict(signed(claims_of(ada.access), algorithm=algorithm)) == (401, "token_invalid")
    own = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    assert verdict(signed(claims_of(ada.access), own, "RS256")) == (401, "token_invalid")
    public = own.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert verdict(signed(claims_of(ada.access), public)) == (401, "token_invalid")


@pytest.mark.parametrize(
    "kid", ["../../../../dev/null", "/dev/null", "' OR 1=1 --", "", "\0", "unknown", "http://localhost/key"]
)
def test_a_kid_that_is_not_in_the_keyring_leads_nowhere(ada, kid):
    for key in (b"", b"\0" * 32, keyring().signing_key):
        assert verdict(signed(claims_of(ada.access), key, kid=kid)) == (401, "token_invalid")


@pytest.mark.parametrize("kid", [None, 7, [], {}, ["a"]])
def test_a_kid_that_is_no_text_is_refused(ada, kid):
    _, payload, signature = ada.access.split(".")
    assert verdict(f"{segment({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{payload}.{signature}")[0] == 401


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "http://localhost/jwks"},
        {"x5u": "http://localhost/cert"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"x5c": ["AAAA"]},
        {"crit": ["exp"]},
        {"cty": "JWT"},
    ],
)
def test_no_header_may_bring_or_name_a_key(ada, extra):
    assert verdict(signed(claims_of(ada.access), **extra)) == (401, "token_invalid")


def test_another_payload_under_the_same_signature_is_refused(ada, stranger):
    header, payload, signature = ada.access.split(".")
    forged = segment({**claims_of(ada.access), "sub": str(stranger.user.id)})
    assert verdict(f"{header}.{forged}.{signature}") == (401, "token_invalid")
    assert verdict(f"{header}.{payload}.{signature[:-4]}AAAA") == (401, "token_invalid")
    assert verdict(f"{header}.{payload}.") == (401, "token_invalid")
    assert verdict(f"{header}.{payload}") == (401, "token_invalid")


def test_what_the_tests_sign_by_hand_would_open_if_it_were_right(ada):
    assert bearer(signed(claims_of(ada.access))).get(ME).status_code == 200


def test_a_refresh_token_opens_nothing(ada):
    assert verdict(ada.refresh) == (401, "token_invalid")
    assert ada.is_let_in()


def test_an_expired_token_says_so(ada, settings):
    expired = AccessToken()
    expired.payload |= {key: value for key, value in claims_of(ada.access).items() if key in ("sub", "sid")}
    expired.set_exp(lifetime=timedelta(seconds=-1))
    assert verdict(str(expired)) == (401, "token_expired")


def test_a_token_that_was_good_expires_all_the_same(ada, settings):
    settings.ACCESS_TOKEN_SECONDS = 1
    brief = sign_in(ada.user)
    assert brief.is_let_in()
    time.sleep(1.1)
    assert verdict(brief.access) == (401, "token_expired")


@pytest.mark.parametrize("claim", ["sub", "sid", "jti", "iat", "exp", "iss", "token_type"])
def test_every_claim_must_be_there(ada, claim):
    claims = claims_of(ada.access)
    del claims[claim]
    assert verdict(signed(claims)) == (401, "token_invalid")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://elsewhere.example"},
        {"token_type": "sliding"},
        {"sub": "1"},
        {"sub": "1' OR '1'='1"},
        {"sid": 7},
        {"sid": None},
        {"jti": ["a"]},
        {"exp": "never"},
        {"exp": 1e300},
        {"iat": 32_503_680_000},
        {"nbf": 32_503_680_000},
    ],
    ids=str,
)
def test_odd_claims_are_refused_even_if_signed(ada, changes):
    assert verdict(signed({**claims_of(ada.access), **changes})) == (401, "token_invalid")


def test_a_session_opens_for_its_own_user_only(ada, stranger):
    mixed = {**claims_of(ada.access), "sub": str(stranger.user.id)}
    assert verdict(signed(mixed)) == (401, "token_revoked")
    assert verdict(signed({**claims_of(ada.access), "sid": str(uuid4())})) == (401, "token_revoked")
    assert verdict(signed({**claims_of(ada.access), "sub": str(uuid4())})) == (401, "token_revoked")


@pytest.mark.parametrize(
    "token",
    [
        ".",
        "..",
        "....",
        "a.b.c",
        "%%%.%%%.%%%",
        segment([]) + ".e30.AAAA",
        base64.urlsafe_b64encode(b"[" * 6_000).decode() + ".e30.AAAA",
        base64.urlsafe_b64encode(b'{"alg":' * 2_000).decode() + ".e30.AAAA",
        base64.urlsafe_b64encode(b"\xff\xfe").decode() + ".e30.AAAA",
        "A" * 20_000,
    ],
    ids=lambda token: token[:20],
)
def test_rubbish_is_401(api, token):
    assert verdict(token) == (401, "token_invalid")


def test_a_deep_payload_with_a_good_signature_is_no_fault_of_ours(ada):
    header = ada.access.partition(".")[0]
    payload = base64.urlsafe_b64encode(b"[" * 6_000).rstrip(b"=").decode()
    body = f"{header}.{payload}"
    signature = hmac.digest(keyring().signing_key, body.encode(), "sha256")
    token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    assert verdict(token) == (401, "token_invalid")


def test_keys_rotate_without_signing_anybody_out(ada, settings):
    old, new = "a" * 40, "b" * 40
    settings.JWT_KEYS = [f"2026a:{old}"]
    assert not ada.is_let_in()
    before = sign_in(UserFactory())
    settings.JWT_KEYS = [f"2026b:{new}", f"2026a:{old}"]
    after = sign_in(UserFactory())
    assert jwt.get_unverified_header(after.access)["kid"] == "2026b"
    assert before.is_let_in()
    answer = post(before.api, "token/refresh", refresh=before.refresh)
    assert jwt.get_unverified_header(answer.json()["refresh"])["kid"] == "2026b"
    settings.JWT_KEYS = [f"2026b:{new}"]
    assert not before.is_let_in()
    assert after.is_let_in()


def test_a_secret_key_rotates_the_same_way(ada, settings):
    old = settings.SECRET_KEY
    settings.SECRET_KEY = "another secret, which is long enough for everybody"
    assert not ada.is_let_in()
    settings.SECRET_KEY_FALLBACKS = [old]
    assert ada.is_let_in()
    assert read_token(RefreshToken, ada.refresh).user_id == ada.user.id


@pytest.mark.parametrize(
    "entries", [["noseparator"], ["a:short"], [f"a b:{'x' * 40}"], [f"../a:{'x' * 40}"], [f"a:{'x' * 40}"] * 2]
)
def test_a_broken_keyring_is_refused_without_quoting_it(entries):
    with pytest.raises(ImproperlyConfigured) as refusal:
        parse_keys(entries)
    assert "xxx" not in str(refusal.value)
    assert "short" not in str(refusal.value).replace("shorter", "")
