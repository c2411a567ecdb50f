"""A sign-in provider on loopback that does what OpenID Connect says, and what it must not do.

Discovery, keys, codes bound to client, address and PKCE, signed words, and a userinfo page. Tests
set what it says of the next person; it knows nothing of ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

CLIENT, SECRET = "desk", "a-secret-of-the-test"


@dataclass
class OpenIdProvider:
    """``says`` are the claims about who signs in; ``lies`` replace what the protocol wants."""

    url: str = ""
    says: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    lies: dict[str, Any] = field(default_factory=dict)
    is_down: bool = False
    signs_with: Any = None
    algorithm: str = "RS256"
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        pages = {
            "/.well-known/openid-configuration": self._describes,
            "/keys": self._keys,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": lambda _: _json({"sub": self.says.get("sub"), **self.userinfo}),
        }
        answer = Response(status=503) if self.is_down else pages[request.path](request)
        return answer(environ, start_response)

    def _describes(self, request: Request) -> Response:
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
        return _json(told | {name: lie for name, lie in self.lies.items() if name in told})

    def _keys(self, request: Request) -> Response:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return _json({"keys": [public | {"kid": "one", "use": "sig", "alg": "RS256"}]})

    def _authorize(self, request: Request) -> Response:
        asked = request.args.to_dict()
        self.asked.append(asked)
        if "error" in self.lies:
            back = {"error": self.lies["error"], "state": asked["state"]}
        else:
            code = secrets.token_urlsafe()
            self.codes[code] = asked
            back = {"code": code, "state": self.lies.get("state", asked["state"])}
        return Response(
            status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(back)}"}
        )

    def _token(self, request: Request) -> Response:
        sent = request.form
        asked = self.codes.pop(sent["code"], None)
        proof = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            asked is None
            or (sent["client_id"], sent["client_secret"]) != (CLIENT, SECRET)
            or sent["redirect_uri"] != asked["redirect_uri"]
            or asked.get("code_challenge_method") != "S256"
            or asked.get("code_challenge") != challenge
        ):
            return _json({"error": "invalid_grant"}, 400)
        now = int(time.time())
        word = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300}
        word |= {"nonce": asked["nonce"], **self.says} | self.lies.get("word", {})
        word = {name: value for name, value in word.items() if value is not None}
        signed = jwt.encode(
            word, self.signs_with or self.key, algorithm=self.algorithm, headers={"kid": "one"}
        )
        answer = {"access_token": secrets.token_urlsafe(), "token_type": "Bearer"}
        return _json(answer | {"id_token": signed} | self.lies.get("token", {}))


def _json(content: Any, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, mimetype="application/json")


@contextmanager
def served() -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider()
    server = make_server("127.0.0.1", 0, provider, threaded=True)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
