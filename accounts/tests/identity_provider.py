"""An identity provider on the loopback interface: publishes keys over HTTP and signs what a test wants."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "chatstore-tests"


class IdentityProvider:
    """`keys` are the private ones by kid; all of them are published, beside `extra`."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {
            "rsa-1": rsa.generate_private_key(public_exponent=65_537, key_size=2_048),
            "ec-1": ec.generate_private_key(ec.SECP256R1()),
        }
        self.extra: list[dict[str, str]] = []
        self.requests = 0
        self.body: bytes | None = None  # instead of the keys
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests += 1
                body = provider.document() if provider.body is None else provider.body
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._handler = Handler
        self._server = self._serve(0)
        self.port = self._server.server_address[1]
        self.issuer = f"http://127.0.0.1:{self.port}"

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/jwks"

    def document(self) -> bytes:
        published = []
        for kid, key in self.keys.items():
            algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            published.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        return json.dumps({"keys": [*published, *self.extra]}).encode()

    def token(self, kid: str | None = "rsa-1", *, key: Any = None, algorithm: str = "", **claims: Any) -> str:
        """A signed token; a claim that is None is left out."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": AUDIENCE, "sub": "subject-1", "iat": now, "exp": now + 300, **claims}
        return jwt.encode(
            {name: value for name, value in whole.items() if value is not None},
            key or self.keys[kid or "rsa-1"],
            algorithm=algorithm or ("ES256" if (kid or "").startswith("ec") else "RS256"),
            headers={"kid": kid} if kid else {},
        )

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def restart(self) -> None:
        self._server = self._serve(self.port)

    def _serve(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), self._handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return server
