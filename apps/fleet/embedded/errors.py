from apps.engine.errors import StructForgeError


class ServiceError(StructForgeError):
    """An embedded server cannot be prepared, started or stopped; the message says what a person can do."""

    code = "embedded_service"
