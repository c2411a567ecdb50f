"""Log lines say where something broke, never whose data it broke on."""

import json
import logging
import logging.config

import pytest

from integrator.logs import logging_settings, without_query


def _break_with_a_secret() -> None:
    password = "canary-local-variable"
    raise ValueError(f"first line\nDETAIL: Key (email)=({password}@example.test) already exists.")


@pytest.mark.parametrize("readable", [True, False])
def test_a_traceback_holds_neither_variables_nor_row_values(readable, capsys):
    config = logging_settings(level="INFO", readable=readable)
    formatter = config["formatters"]["lines"]
    maker = formatter.pop("()")
    handler = logging.StreamHandler()
    handler.setFormatter(maker(**formatter))
    logger = logging.getLogger("tests.logs")
    logger.handlers, logger.propagate = [handler], False

    try:
        _break_with_a_secret()
    except ValueError:
        logger.exception("it_broke")

    line = capsys.readouterr().err
    assert "_break_with_a_secret" in line
    assert "first line" in line
    assert "canary" not in line
    if not readable:
        assert json.loads(line)["event"] == "it_broke"


@pytest.mark.parametrize(
    ("request_line", "logged"),
    [
        ("GET /find/?q=lena@example.test", "GET /find/"),
        ("GET /accounts/password/reset/key/1-c0ffee/", "GET /accounts/password/reset/key/"),
        ("GET /accounts/password/reset/key/done/", "GET /accounts/password/reset/key/"),
        ("POST /accounts/confirm-email/MQ:1abc/?x=1", "POST /accounts/confirm-email/"),
        ("GET /orders/7/", "GET /orders/7/"),
    ],
)
def test_an_address_that_lets_somebody_in_is_not_logged(request_line, logged):
    """Whoever reads the logs could set the password with a link that was not used yet."""
    assert without_query(None, "info", {"request": request_line}) == {"request": logged}
