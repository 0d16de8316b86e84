"""What tokens are signed with, where no setting says it.

    <data_dir>/secret           made once, at random; for its owner alone
    <data_dir>/secret.new-*     one in the making

Whoever changes or removes it ends every token and courier's link that was given out.
"""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Final

from dispatch.postgres import PostgresError, in_one_line, prepared
from dispatch.settings import ENV_PREFIX, LEAST_SECRET_CHARS

_BYTES: Final = 32
# More than any secret has; a file that was put there by mistake is not read whole.
_MOST_CHARS: Final = 4096


class SecretFileError(PostgresError):
    """The file is there, and holds no secret. The text names the file and the mend, and nothing of what is in it."""


def secret_in(data_dir: Path) -> str:
    """The secret of a data directory, made if there is none; the same for all who ask at once.

    Raises PostgresError where the directory cannot be used, SecretFileError.
    """
    data_dir = prepared(data_dir)
    path = data_dir / "secret"
    with in_one_line(data_dir):
        if not path.exists():
            _make(path)
        with open(path, encoding="utf-8", errors="replace") as file:
            secret = file.read(_MOST_CHARS).strip()
    if len(secret) < LEAST_SECRET_CHARS:
        raise SecretFileError(
            f"{path} holds fewer than {LEAST_SECRET_CHARS} characters, which can be guessed; remove it, and another"
            f" is made (links given out end with it), or set {ENV_PREFIX}SECRET"
        )
    return secret


def _make(path: Path) -> None:
    """Put a new secret there, whole or not at all; whoever comes second leaves the first one's where it is."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix="secret.new-")  # with mode 0600
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a renaming, does not take the place of what is there.
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)
