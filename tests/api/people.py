"""People who log in for themselves, and the software authenticators that they use."""

import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from os import urandom
from typing import Any
from urllib.parse import unquote

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.core import mail
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode

from tests.api.clients import ApiClient

PASSWORD = "correct horse battery staple"


def bearer(tokens: dict[str, Any]) -> ApiClient:
    return ApiClient(headers={"Authorization": f"Bearer {tokens['access']}"})


def logged_in(username: str = "ada", password: str = PASSWORD, **headers: str) -> ApiClient:
    return bearer(ApiClient().post_json("/auth/login", {"username": username, "password": password}, **headers))


def code_of(secret: str) -> str:
    """What an authenticator app with this secret shows now."""
    return format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))


def turn_totp_on(client: ApiClient, **proof: str) -> tuple[str, list[str]]:
    """Secret and recovery codes."""
    client.post_json("/auth/reauthenticate", proof or {"password": PASSWORD}, 204)
    secret = client.post_json("/users/me/mfa/totp")["secret"]
    return secret, client.post_json("/users/me/mfa/totp/confirm", {"code": code_of(secret)})["recovery_codes"]


def key_in_mail(index: int = -1) -> str:
    found = re.search(r"\?key=(\S+)", mail.outbox[index].body)
    assert found, mail.outbox[index].body
    return unquote(found[1])


@dataclass
class SoftwareKey:
    """A stand-in of a passkey: it signs as an authenticator does, without a chip or a finger. See WebAuthn §6."""

    origin: str = "https://testserver"
    rp_id: str = "testserver"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: urandom(16))
    user_handle: str = ""
    _PRESENT_AND_VERIFIED = 0x05
    _ATTESTED = 0x40

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """As `navigator.credentials.create`."""
        asked = options["publicKey"]
        self.user_handle = asked["user"]["id"]
        public_key = cbor.encode(ES256.from_cryptography_key(self.key.public_key()))
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public_key
        data = self._authenticator_data(self._PRESENT_AND_VERIFIED | self._ATTESTED) + attested
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {"clientDataJSON": websafe_encode(self._client_data("create", asked)), "attestationObject": websafe_encode(attestation)}
        )

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """As `navigator.credentials.get`."""
        data, client_data = self._authenticator_data(self._PRESENT_AND_VERIFIED), self._client_data("get", options["publicKey"])
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": websafe_encode(client_data),
                "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(signature),
                "userHandle": self.user_handle,
            }
        )

    def _authenticator_data(self, flags: int) -> bytes:
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + bytes(4)

    def _client_data(self, kind: str, asked: dict[str, Any]) -> bytes:
        assert websafe_decode(asked["challenge"])
        return json.dumps({"type": f"webauthn.{kind}", "challenge": asked["challenge"], "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        name = websafe_encode(self.credential_id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
