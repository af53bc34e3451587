from pathlib import Path

import pytest

from tenon_launcher import data_directory
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.errors import UnusableData
from tenon_launcher.foundation import create_keys


def test_a_full_disk_is_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "MINIMUM_FREE_BYTES", 10**18)
    with pytest.raises(UnusableData, match="MB are free"):
        DataDirectory(tmp_path).create()


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "LARGE_LOG_BYTES", 3)
    data = DataDirectory(tmp_path)
    data.create()
    data.log("auth").write_text("long enough")
    data.log("gateway").write_text("no")
    data.rotate_logs()
    assert sorted(path.name for path in data.logs.iterdir()) == ["auth.log.1", "gateway.log"]


def test_an_older_directory_is_a_clear_message(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.create()
    data.version.write_text("1")
    with pytest.raises(UnusableData, match="the Tenon that made it"):
        data.create()


def test_a_lost_keyring_is_not_replaced(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.create()
    create_keys(data)
    data.keyring.rename(tmp_path / "away")
    with pytest.raises(SystemExit, match="bring it back from its backup"):
        create_keys(data)
    (tmp_path / "away").rename(data.keyring)
    create_keys(data)
