"""What views have in common that hand out tokens or are open to everybody."""

from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.serializers import TokensOutput
from apps.accounts.tokens import Tokens
from apps.core.api.serializers import ErrorSerializer

LOGIN_ANSWERS = {200: TokensOutput, 401: ErrorSerializer, 429: ErrorSerializer}
NO_STORE = {"Cache-Control": "no-store"}


class PublicView(APIView):
    """Open to everybody: it reads tokens from the body, and no cookie, so that no other site can act through it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


def tokens_json(tokens: Tokens) -> dict[str, object]:
    return {"access": tokens.access, "refresh": tokens.refresh, "token_type": "Bearer", "expires_in": tokens.expires_in}


def answer(tokens: Tokens) -> Response:
    return Response(tokens_json(tokens), headers=NO_STORE)
