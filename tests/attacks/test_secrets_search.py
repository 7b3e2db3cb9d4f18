"""The search for keys can find: a key is planted once in every medium that test_secrets.py searches."""

import base64
import sqlite3
import subprocess
import zlib
from urllib.parse import quote

import docker
import pytest
import zstandard
from support.boxes import Recorder, job_of
from support.secret_search import KeySearch, spellings
from support.wiretap import EngineTap, engine_socket, write_bwrap_tap

from studbook.sandbox.docker_box import DockerSandbox
from studbook.sandbox.process_box import ProcessSandbox

KEY = '5e1f/+"\\a9c4T0p'
SEARCH = KeySearch({"the key": KEY})
LONGER = f"Bearer {KEY} and more".encode()

PLANTED = {
    "plain": KEY,
    "backwards": KEY[::-1],
    "json": '5e1f/+\\"\\\\a9c4T0p',
    "url": quote(KEY, safe=""),
    "hex": KEY.encode().hex(),
    "utf-16": KEY.encode("utf-16-le").decode("latin-1"),
    "base64": base64.b64encode(LONGER).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(LONGER[1:]).decode(),
    "folded": f"│ {KEY[:5]}\n│   {KEY[5:]}",
    "folded in JSON": f"{KEY[:5]}\\n  {KEY[5:]}",
}


@pytest.mark.parametrize("spelling", PLANTED)
def test_every_spelling_is_found(spelling):
    assert SEARCH.in_text(f"before {PLANTED[spelling]} after", "a text")


@pytest.mark.parametrize("spelling", spellings(KEY))
def test_no_spelling_is_found_where_only_another_key_stands(spelling):
    assert SEARCH.in_text(spellings('77aa/+"\\b3d1Q9x')[spelling], "a text") == []


def test_it_is_found_in_files_and_in_their_names(tmp_path):
    (tmp_path / "report.html").write_text(f"<td>{KEY}</td>")
    (tmp_path / "seen-5e1f-by").mkdir()
    (tmp_path / "calls.zst").write_bytes(zstandard.compress(f'{{"text": "{KEY}"}}'.encode()))
    (tmp_path / "loose").write_bytes(zlib.compress(LONGER))
    found = SEARCH.in_folder(tmp_path)
    assert "the key (plain) in calls.zst (unpacked)" in found
    assert "the key (plain) in loose (inflated)" in found
    assert "the key (plain) in report.html" in found
    assert any(
        "the name of seen-5e1f-by" in place for place in KeySearch({"short": "5e1f"}).in_folder(tmp_path)
    )


def test_it_is_found_in_a_database_also_while_it_is_only_in_the_log(tmp_path):
    connection = sqlite3.connect(tmp_path / "calls.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE calls (model TEXT, reply BLOB)")
    connection.execute("INSERT INTO calls VALUES ('m', ?)", [zstandard.compress(LONGER)])
    assert "the key (plain) in calls.sqlite: calls (unpacked)" in SEARCH.in_folder(tmp_path)
    connection.close()


@pytest.mark.parametrize("packed", [False, True])
def test_it_is_found_in_a_git_object_that_nothing_names(tmp_path, packed):
    repository = tmp_path / "lineage.git"
    git = ["git", "-C", str(repository)]
    subprocess.run(["git", "init", "-q", "--bare", str(repository)], check=True)
    subprocess.run([*git, "hash-object", "-w", "--stdin"], input=LONGER, check=True, capture_output=True)
    if packed:
        ident = subprocess.run(
            [*git, "hash-object", "--stdin"], input=LONGER, check=True, capture_output=True
        )
        pack = [*git, "pack-objects", "-q", str(repository / "objects/pack/pack")]
        subprocess.run(pack, input=ident.stdout, check=True, capture_output=True)
        subprocess.run([*git, "prune-packed", "-q"], check=True)
    assert "the key (plain) in lineage.git (objects)" in SEARCH.in_folder(tmp_path)


@pytest.mark.docker
def test_it_is_found_in_what_a_container_is_made_of_and_in_what_it_is_sent(
    docker_engine, tmp_path, monkeypatch
):
    engine = engine_socket()
    if engine is None:
        pytest.skip("the engine is not spoken to through a socket of this machine")
    with EngineTap(tmp_path / "tap", engine) as tap:
        monkeypatch.setenv("DOCKER_HOST", tap.address)
        sandbox = DockerSandbox.connect()
        job = job_of("def main(box): box.log('5e1f/' + chr(43) + chr(34) + chr(92) + 'a9c4T0p')")
        sandbox.run(job, Recorder({}))
        sandbox.close()
        assert "the key (json) in the wire" in SEARCH.in_bytes(tap.heard, "the wire")
    with EngineTap(tmp_path / "tap2", engine) as tap:
        client = docker.APIClient(base_url=tap.address)
        with pytest.raises(docker.errors.NotFound):
            client.create_container("no-such-image-here", environment={"KEY": KEY}, labels={"KEY": KEY})
        client.close()
        assert "the key (json) in the wire" in SEARCH.in_bytes(tap.heard, "the wire")


def test_it_is_found_in_the_environment_of_a_process_and_in_what_it_says(bubblewrap, tmp_path):
    programs, heard = tmp_path / "bin", tmp_path / "heard"
    programs.mkdir()
    write_bwrap_tap(programs, heard)
    box = ProcessSandbox(str(programs / "bwrap"))
    box.run(job_of("def main(box): box.log('5e1f/' + chr(43) + chr(34) + chr(92) + 'a9c4T0p')"), Recorder({}))
    assert "the key (json)" in " ".join(SEARCH.in_folder(heard))
    subprocess.run([str(programs / "bwrap"), "--version"], env={"KEY": KEY}, check=True, capture_output=True)
    assert "the key (plain)" in " ".join(SEARCH.in_folder(heard))
