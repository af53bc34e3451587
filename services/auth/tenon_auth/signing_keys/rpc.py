from jwt.algorithms import RSAAlgorithm

from tenon.auth.v1.signing_key_service_pb2 import (
    JsonWebKey,
    ListSigningKeysRequest,
    ListSigningKeysResponse,
)
from tenon.auth.v1.signing_key_service_pb2_grpc import SigningKeyServiceServicer
from tenon_auth.signing_keys.files import SigningKey
from tenon_auth.signing_keys.service import SigningKeyService
from tenon_policy.tokens import ALGORITHM


class SigningKeyServicer(SigningKeyServiceServicer):
    def __init__(self, signing_keys: SigningKeyService) -> None:
        self._signing_keys = signing_keys

    async def ListSigningKeys(
        self, request: ListSigningKeysRequest, context: object
    ) -> ListSigningKeysResponse:
        return ListSigningKeysResponse(keys=map(_packed, self._signing_keys.keys))


def _packed(key: SigningKey) -> JsonWebKey:
    public = RSAAlgorithm.to_jwk(key.key.public_key(), as_dict=True)
    return JsonWebKey(
        kty="RSA", use="sig", alg=ALGORITHM, kid=key.kid, n=public["n"], e=public["e"]
    )
