"""A small SMTP server on loopback, for tests: a stand-in, which says so in its greeting. It takes every mail, and delivers none."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Taken:
    """One mail as it came over the wire."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(b"".join(self.lines), policy=policy.default)  # type: ignore[return-value]


class Sink:
    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        mail = Taken("")
        say("220 stand-in for tests, delivers nothing")
        while line := await reader.readline():
            verb = line.split(b":")[0].strip().upper()
            if verb.startswith((b"EHLO", b"HELO")):
                say("250 stand-in")
            elif verb == b"MAIL FROM":
                mail = Taken(_address(line))
                say("250 taken")
            elif verb == b"RCPT TO":
                mail.recipients.append(_address(line))
                say("250 taken")
            elif verb == b"DATA":
                say("354 go on")
                while (line := await reader.readline()) not in (b".\r\n", b""):
                    mail.lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                self.taken.append(mail)
                say("250 taken, and delivered to nobody")
            elif verb == b"QUIT":
                say("221 bye")
                break
            else:
                say("502 the stand-in does not know this")
        await writer.drain()
        writer.close()


def _address(line: bytes) -> str:
    return line.partition(b"<")[2].partition(b">")[0].decode()


@contextmanager
def running_sink() -> Iterator[Sink]:
    sink, loop = Sink(), asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(sink.serve, "127.0.0.1", 0))
    sink.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        loop.stop()

    try:
        yield sink
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        thread.join()
        loop.close()
