"""Sends notices: mail by SMTP (RFC 5321), webhooks by HTTP POST of JSON.

A webhook's body is signed: `Muniment-Signature: sha256=` and the HMAC of the body under a secret
that the receiver shares.
"""

from __future__ import annotations

import hmac
import json
import smtplib
import ssl
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

from config.settings import Notices
from node.errors import MunimentError
from node.notices.select import Notice

TIMEOUT_S = 15
MAX_SECRET_BYTES = 4_096


class NoticeError(MunimentError):
    """A notice could not be sent; it is tried again."""

    code = "notice"


def send(notice: Notice, settings: Notices) -> None:
    """Send to all that are set. Raises NoticeError; what was sent before may be sent again."""
    if settings.mail_to:
        _mail(notice, settings)
    body = json.dumps(notice.to_json(), separators=(",", ":")).encode()
    for address in settings.webhooks:
        _post(address, body, settings)


def _mail(notice: Notice, settings: Notices) -> None:
    message = EmailMessage()
    message["From"] = settings.mail_from
    message["To"] = ", ".join(settings.mail_to)
    message["Subject"] = notice.subject
    message["Date"] = formatdate(notice.time / 1_000)
    message["Message-ID"] = make_msgid(notice.txid[:16] or None, "muniment.invalid")
    message.set_content(notice.text)
    host, _, port = settings.smtp.rpartition(":")
    context = ssl.create_default_context()
    try:
        if settings.smtp_security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL(
                host, int(port), timeout=TIMEOUT_S, context=context
            )
        else:
            client = smtplib.SMTP(host, int(port), timeout=TIMEOUT_S)
        with client:
            if settings.smtp_security == "starttls":
                client.starttls(context=context)
            if settings.smtp_user:
                client.login(settings.smtp_user, _secret(settings.smtp_password_file))
            client.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise NoticeError(f"{settings.smtp} does not take mail: {error}") from error


def _post(address: str, body: bytes, settings: Notices) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "muniment"}
    if settings.webhook_secret_file:
        secret = _secret(settings.webhook_secret_file).encode()
        headers["Muniment-Signature"] = f"sha256={hmac.digest(secret, body, 'sha256').hex()}"
    request = urllib.request.Request(address, body, headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=TIMEOUT_S):
            return
    except OSError as error:
        raise NoticeError(f"{address} does not take the notice: {error}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice goes where it was told to go, or nowhere."""

    def redirect_request(self, *args: object) -> None:
        return None


def _secret(path: str) -> str:
    file = Path(path)
    try:
        if file.stat().st_mode & 0o077:
            raise NoticeError(f"{path} can be read by others; set its mode to 0600")
        return file.read_bytes()[:MAX_SECRET_BYTES].decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NoticeError(f"{path} cannot be read: {error}") from error
