from contextlib import closing
from pathlib import Path

import pytest

from tenon_launcher import data_directory
from tenon_launcher.data_directory import DataDirectory
from tenon_launcher.data_lock import DataLock
from tenon_launcher.errors import UnusableData


def test_a_full_disk_is_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "MINIMUM_FREE_BYTES", 10**18)
    with pytest.raises(UnusableData, match="MB are free"):
        DataDirectory(tmp_path).create()


@pytest.mark.parametrize(
    ("layout", "way_out"),
    [("2", "with the Tenon that made it"), ("99", "git pull"), ("\0", "from a backup")],
)
def test_another_layout_is_refused_with_the_way_out_and_left_alone(
    tmp_path: Path, layout: str, way_out: str
) -> None:
    (tmp_path / "version").write_text(layout)
    with pytest.raises(UnusableData, match=way_out):
        DataDirectory(tmp_path).create()
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UnusableData, match="is no data directory of Tenon"):
        DataDirectory(tmp_path).create()


def test_the_lock_knows_when_it_was_taken_away(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    data.create()
    with closing(DataLock(data.lock)) as lock:
        assert lock.is_in_place()
        data.lock.unlink()
        assert not lock.is_in_place()
        data.lock.touch()
        assert not lock.is_in_place()


def test_a_large_log_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "LARGE_LOG_BYTES", 3)
    data = DataDirectory(tmp_path)
    data.create()
    data.log("auth").write_text("long enough")
    data.log("gateway").write_text("no")
    data.rotate_logs()
    assert sorted(path.name for path in data.logs.iterdir()) == ["auth.log.1", "gateway.log"]


def test_a_disk_that_fills_while_it_runs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DataDirectory(tmp_path)
    assert data.full_disk() == ""
    monkeypatch.setattr(data_directory, "FULL_BYTES", 10**18)
    assert "Make room" in data.full_disk()
