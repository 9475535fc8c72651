"""Second factors over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import mfa, passkeys
from apps.accounts.api.authentication import IsLoggedIn, own_session
from apps.accounts.api.public import LOGIN_ANSWERS, NO_STORE, PublicView, answer
from apps.accounts.api.serializers import (
    CodeInput,
    FactorsOutput,
    MfaLoginInput,
    NewPasskeyOutput,
    PasskeyInput,
    PasskeyLoginInput,
    PasskeyNameInput,
    PasskeyOfferInput,
    PasskeyOfferOutput,
    PasskeyOptionsInput,
    PasskeyOptionsOutput,
    PasskeyOutput,
    ReauthenticateInput,
    RecoveryCodesOutput,
    TotpOfferOutput,
)
from apps.core.api.serializers import ErrorSerializer

_ERRORS = {403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer, 422: ErrorSerializer, 429: ErrorSerializer}


class MfaLoginView(PublicView):
    @extend_schema(operation_id="login_mfa", tags=["auth"], request=MfaLoginInput, responses=LOGIN_ANSWERS)
    def post(self, request: Request) -> Response:
        """Finish a login that asked for a second factor, by a code of the authenticator app or a recovery code."""
        return answer(mfa.log_in_with_code(request._request, **MfaLoginInput.read_body(request)))


class PasskeyLoginOptionsView(PublicView):
    @extend_schema(
        operation_id="login_passkey_options",
        tags=["auth"],
        request=PasskeyOptionsInput,
        responses={200: PasskeyOptionsOutput, 401: ErrorSerializer, 429: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Begin to log in with a passkey, alone or as the second factor."""
        options, token = passkeys.offer_passkey_login(request._request, **PasskeyOptionsInput.read_body(request))
        return Response({"options": options, "session_token": token}, headers=NO_STORE)


class PasskeyLoginView(PublicView):
    @extend_schema(
        operation_id="login_passkey", tags=["auth"], request=PasskeyLoginInput, responses={**LOGIN_ANSWERS, 422: ErrorSerializer}
    )
    def post(self, request: Request) -> Response:
        """Log in with a passkey."""
        return answer(passkeys.log_in_with_passkey(request._request, **PasskeyLoginInput.read_body(request)))


class ReauthenticateView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(
        operation_id="reauthenticate",
        tags=["auth"],
        request=ReauthenticateInput,
        responses={204: None, 401: ErrorSerializer, **_ERRORS},
    )
    def post(self, request: Request) -> Response:
        """Show that one is there: needed within five minutes before changes to second factors and to the address."""
        data = ReauthenticateInput.read_body(request)
        with own_session(request) as http:
            if data["credential"] is not None:
                passkeys.reauthenticate(http, credential=data["credential"])
            else:
                mfa.reauthenticate(http, password=data["password"], code=data["code"])
        return Response(status=204)


class ReauthenticateOptionsView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="reauthenticate_options", tags=["auth"], request=None, responses={200: PasskeyOfferOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """What `navigator.credentials.get` takes, to reauthenticate with a passkey."""
        with own_session(request) as http:
            return Response({"options": passkeys.offer_reauthentication(http)}, headers=NO_STORE)


class MfaView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="get_mfa", tags=["mfa"], responses=FactorsOutput)
    def get(self, request: Request) -> Response:
        """The second factors that are set up."""
        return Response(FactorsOutput(mfa.factors_of(request.user)).data)


class TotpView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="offer_totp", tags=["mfa"], request=None, responses={200: TotpOfferOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """A secret for an authenticator app. It counts once a code of it is confirmed."""
        with own_session(request) as http:
            return Response(TotpOfferOutput(mfa.offer_totp(http)).data, headers=NO_STORE)

    @extend_schema(operation_id="remove_totp", tags=["mfa"], responses={204: None, **_ERRORS})
    def delete(self, request: Request) -> Response:
        """Remove the authenticator app."""
        with own_session(request) as http:
            mfa.remove_totp(http)
        return Response(status=204)


class TotpConfirmView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="confirm_totp", tags=["mfa"], request=CodeInput, responses={200: RecoveryCodesOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """Turn the authenticator app on by a code that it shows."""
        with own_session(request) as http:
            codes = mfa.confirm_totp(http, **CodeInput.read_body(request))
        return Response({"recovery_codes": codes}, headers=NO_STORE)


class RecoveryCodesView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="renew_recovery_codes", tags=["mfa"], request=None, responses={200: RecoveryCodesOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """New recovery codes; the old ones count no more."""
        with own_session(request) as http:
            return Response({"recovery_codes": mfa.renew_recovery_codes(http)}, headers=NO_STORE)


class PasskeyOfferView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="offer_passkey", tags=["mfa"], request=PasskeyOfferInput, responses={200: PasskeyOfferOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """Begin to register a passkey."""
        with own_session(request) as http:
            return Response({"options": passkeys.offer_passkey(http, **PasskeyOfferInput.read_body(request))}, headers=NO_STORE)


class PasskeysView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="add_passkey", tags=["mfa"], request=PasskeyInput, responses={201: NewPasskeyOutput, **_ERRORS})
    def post(self, request: Request) -> Response:
        """Keep a passkey that the browser has made."""
        with own_session(request) as http:
            passkey, codes = passkeys.add_passkey(http, **PasskeyInput.read_body(request))
        return Response({"passkey": PasskeyOutput(passkey).data, "recovery_codes": codes}, status=201, headers=NO_STORE)


class PasskeyView(APIView):
    permission_classes = (IsLoggedIn,)

    @extend_schema(operation_id="rename_passkey", tags=["mfa"], request=PasskeyNameInput, responses={200: PasskeyOutput, **_ERRORS})
    def patch(self, request: Request, passkey_id: int) -> Response:
        """Rename a passkey."""
        with own_session(request) as http:
            return Response(PasskeyOutput(passkeys.rename_passkey(http, passkey_id=passkey_id, **PasskeyNameInput.read_body(request))).data)

    @extend_schema(operation_id="remove_passkey", tags=["mfa"], responses={204: None, **_ERRORS})
    def delete(self, request: Request, passkey_id: int) -> Response:
        """Remove a passkey."""
        with own_session(request) as http:
            passkeys.remove_passkey(http, passkey_id=passkey_id)
        return Response(status=204)
