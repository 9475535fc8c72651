def banner(*, page: str, login: str | None, seconds: float) -> str:
    """What a person reads once everything is up.

    login   name and password of an administrator made at this start; None when there was one before
    """
    known = "as before (`manage.py changepassword admin` sets a new password)"
    return "\n".join(
        [
            "",
            f"StructForge is ready, {seconds:.1f} s after its start.",
            "",
            f"  Start    {page}/",
            f"  Admin    {page}/admin/",
            f"  API      {page}/api/docs",
            f"  Login    {f'{login}   (shown this once)' if login else known}",
            "  Stop     Ctrl-C",
            "",
        ]
    )
