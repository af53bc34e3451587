import io
import sys

import pytest

from tenon_launcher.progress import Screen

ESCAPE = "\033["


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Within a test: between its phases pytest puts its own output back."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    return made


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_log_gets_one_plain_line_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen.of({})
    for title in ("short", "a somewhat longer title"):
        with screen.step(title):
            pass
    short, longer = lines(capsys)
    assert ESCAPE not in short + longer
    assert len(short) == len(longer)
    assert short.endswith("0.0 s")


def test_a_step_that_failed_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="why"), Screen.of({}).step("title"):
        raise ValueError("why")
    assert lines(capsys)[0].startswith("  ✗ title")


def test_a_terminal_has_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with Screen.of({}).step("title"):
        pass
    assert f"{ESCAPE}32m✓" in terminal.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    screen = Screen.of({"NO_COLOR": "1"})
    with screen.step("title"):
        pass
    assert screen.live
    assert f"{ESCAPE}32m" not in terminal.getvalue()


def test_a_dumb_terminal_is_treated_as_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with Screen.of({"TERM": "dumb"}).step("title"):
        pass
    assert ESCAPE not in terminal.getvalue()
